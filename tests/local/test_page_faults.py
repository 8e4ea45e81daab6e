"""What a caller reads on the page when a call can't start, breaks or ends, and what developers do."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from testing.callers import page_states
from testing.callers.browsing import opened
from testing.pictures.album import Album
from testing.processes import Program, Sandbox, answers, free_port
from tests.local.conftest import PROGRAMS, serving

KEY = "the-operator's-key"
FOREIGN = "shop.test"
"""A name of this machine in the browser that the controller doesn't know as its own."""


@pytest.fixture(scope="module")
def public_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    """Serve strangers with one line, whose bots' model refuses their key. They may not read records."""
    directory = tmp_path_factory.mktemp("public")
    keys = [{"name": "operator", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "scopes": ["admin"]}]
    (directory / "keys.json").write_text(json.dumps(keys))
    variables = {
        "GOOGLE_API_KEY": "not the model's",
        "PODLINE_CAPACITY": "1",
        "PODLINE_KEYS_FILE": str(directory / "keys.json"),
        "PODLINE_PUBLIC_START": "true",
        "PODLINE_PUBLIC_URL": "https://calls.example",
    }
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        yield url


async def test_a_refusal_is_told_to_callers_and_developers(
    public_url: str, chromium: Path, album: Album
) -> None:
    foreign = public_url.replace("127.0.0.1", FOREIGN)
    mapped = f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1"
    bearer = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(base_url=public_url, headers=bearer) as operator,
        opened(public_url, chromium, mapped, partners=[foreign]) as page,
    ):

        async def has_failed() -> bool:
            sessions = (await operator.get("/v1/sessions")).json()["sessions"]
            return bool(sessions) and sessions[0]["phase"] == "failed"

        await page_states.refused_key(page, album, has_failed)

        other = {"user_id": "somebody else", "session_id": "the-only-line"}
        (await operator.post("/v1/sessions", json=other)).raise_for_status()
        await page_states.refused(page, album, "error-full", "All lines are busy", "PODLINE_CAPACITY")

        await page.goto(foreign)
        await page_states.refused(
            page, album, "error-other-site", "This page may not call", "PODLINE_CORS_ORIGINS"
        )


async def test_each_reason_on_record_has_its_own_ending(
    controller_url: str, chromium: Path, album: Album
) -> None:
    async with opened(controller_url, chromium) as page:
        await page_states.connecting(page, album)
        await page.reload()
        await page_states.shown_call(page, album)
        await page.reload()
        await page_states.without_network(page, album)
        await page.context.set_offline(False)
        await page.unroute_all()
        await page_states.endings(page, album)


async def test_a_killed_controller_is_told_from_a_lost_network(
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config, chromium: Path, album: Album
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {**sandbox.variables, "PODLINE_PORT": str(port), "PODLINE_GRACE_SECONDS": "3"}
    command = [sys.executable, "-m", "controller", "serve"]
    program = Program.start("killed controller", command, tmp_path, variables)
    pytestconfig.stash[PROGRAMS].append(program)
    try:
        program.wait_until(partial(answers, f"{url}/readyz"))
        async with opened(url, chromium) as page:
            await page_states.killed_controller(page, album, program.process.pid)
    finally:
        program.process.kill()
