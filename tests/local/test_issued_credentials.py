"""A call whose bot has neither the store's secret nor Gemini's key, but what is good for this call alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.processes import Sandbox, bots_of, ended_session, eventually
from tests.local.conftest import PROGRAMS, serving


@pytest.fixture(scope="module")
def issuing_url(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[str]:
    variables = {"PODLINE_GEMINI_EPHEMERAL_TOKENS": "true", "CONVEX_TOKEN": "shared-by-all-bots"}
    directory = tmp_path_factory.mktemp("issuing")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], variables) as url:
        yield url


async def test_a_call_goes_well_with_what_is_issued_for_it(
    issuing_url: str, sandbox: Sandbox, store: httpx.AsyncClient, voice: Voice
) -> None:
    async with calling(issuing_url, voice, user_id="ida") as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()
        [bot] = bots_of(session_id)
        variables = variables_of(bot)

        # Another connection in mid-call, with the same token.
        order = {"target": "model", "name": "drop", "now": True}
        (await store.post("/sandbox/behaviour", json=order)).raise_for_status()
        await caller.hears_bot()
        await caller.bot_quiet()

        caller.write("save product two")
        await caller.message(lambda message: message.is_server_message("product_saved"))

    async with httpx.AsyncClient(base_url=issuing_url) as controller:
        session = await eventually(lambda: ended_session(controller, session_id), "the session's end")
    assert session["reason"] == "caller_left"
    kept = (await store.get("/sandbox/saved", params={"userId": "ida"})).json()
    assert [product["number"] for product in kept["products"]] == [2]

    assert variables["GOOGLE_API_KEY"].startswith("auth_tokens/")
    token = jwt.decode(variables["CONVEX_TOKEN"], options={"verify_signature": False})
    assert (token["sub"], token["sid"]) == ("ida", session_id)
    secrets = {
        sandbox.variables[name] for name in ("GOOGLE_API_KEY", "PODLINE_STORE_SECRET", "DAILY_API_KEY")
    }
    assert not secrets & set(variables.values())


def variables_of(bot: int) -> dict[str, str]:
    lines = Path(f"/proc/{bot}/environ").read_bytes().decode().split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)
