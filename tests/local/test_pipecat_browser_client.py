"""Pipecat's own browser client, with the address and the key that it would have for Pipecat Cloud."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import httpx
import pytest

from testing.builds import web_example as example
from testing.callers.browsing import opened
from testing.callers.keys import key, write_keys
from testing.leaving_out import leave_out
from testing.processes import Sandbox, ended_session, eventually
from tests.local.conftest import PROGRAMS, serving

PUBLIC, OPERATORS = "a-public-key", "the-operator's-key"
PAGE = Path(__file__).parent / "pipecat_client.js"


@pytest.fixture(scope="module")
def bundle() -> str:
    """The page's script with the packages of the example web app, as a site bundles them."""
    try:
        example.install()
    except example.NodeUnavailableError as error:
        leave_out(str(error))
    bundled = subprocess.run(  # noqa: S603 - the example's own
        [example.EXAMPLE / "node_modules" / ".bin" / "esbuild", "--bundle", "--format=iife", "--loader=js"],
        cwd=example.EXAMPLE,
        input=PAGE.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=True,
    )
    return bundled.stdout


async def test_it_starts_an_agent_and_talks_to_its_bot(
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config, chromium: Path, bundle: str
) -> None:
    keys = (key("site", "public_start", text=PUBLIC), key("operator", "admin", text=OPERATORS))
    variables = {"PODLINE_KEYS_FILE": write_keys(tmp_path, *keys)}
    with serving(sandbox, tmp_path, pytestconfig.stash[PROGRAMS], variables) as url:
        async with (
            httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {OPERATORS}"}) as operator,
            opened(f"{url}/livez", chromium, partners=[url]) as page,
        ):
            await page.evaluate(bundle)
            call = {
                "endpoint": f"{url}/v1/public/shopping/start",
                "key": PUBLIC,
                "text": "say “Still here.”",
                "expected": "Still here.",
            }
            async with asyncio.timeout(60):
                said = await page.evaluate("call => callAgent(call)", call)
            [session] = (await operator.get("/v1/sessions")).json()["sessions"]
            over = await eventually(lambda: ended_session(operator, session["id"]), "the session's end")

    assert "Still here." in said
    assert session["user_id"].startswith("anonymous-")
    assert over["reason"] == "caller_left"
