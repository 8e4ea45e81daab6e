"""Spoken calls in rooms of a real LiveKit server."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import httpx
import pytest

from sandbox.caller import calling
from sandbox.caller_signalling import Room
from sandbox.voice import Voice
from tests.livekit.server import LiveKitServer
from tests.local.conftest import PROGRAMS
from tests.local.processes import (
    Program,
    Sandbox,
    answers,
    ended_session,
    eventually,
    free_port,
    processes_of,
)


@pytest.fixture(scope="module")
def livekit_controller(
    sandbox: Sandbox,
    livekit: LiveKitServer,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[str]:
    """A controller whose callers meet their bots in rooms of that server."""
    port = free_port()
    variables = {
        **sandbox.variables,
        **livekit.variables,
        "PODLINE_PORT": str(port),
        "PODLINE_GRACE_SECONDS": "3",
    }
    command = [sys.executable, "-m", "controller", "serve"]
    program = Program.start("controller", command, tmp_path_factory.mktemp("controller"), variables)
    pytestconfig.stash[PROGRAMS].append(program)
    url = f"http://127.0.0.1:{port}"
    try:
        program.wait_until(lambda: answers(f"{url}/readyz"))
        yield url
    finally:
        program.stop()
        assert [line for line in processes_of(sandbox.directory) if "-m bot" in line] == []


async def test_a_caller_in_a_room_is_greeted_finds_saves_and_hangs_up(
    livekit_controller: str, livekit: LiveKitServer, store: httpx.AsyncClient, voice: Voice
) -> None:
    async with httpx.AsyncClient(base_url=livekit_controller) as controller:
        started = (await controller.post("/v1/sessions", json={"user_id": "lea"})).raise_for_status().json()
        room = started["room"]
        assert (room["provider"], room["url"]) == ("livekit", livekit.url)
        assert len(await livekit.rooms()) == 1

        async with calling("", voice, room=Room(**room)) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()
            asked = await caller.say("find running shoes under one hundred dollars")
            found = await caller.message(lambda message: message.is_server_message("products_found"))
            assert await caller.hears_bot() > asked
            await caller.bot_quiet()
            assert found.data["query"] == "running shoes"
            await caller.say("save product two")
            saved = await caller.message(lambda message: message.is_server_message("product_saved"))
            await caller.hears_bot()
            await caller.bot_quiet()
            assert saved.data["number"] == 2
            assert "I found" in " ".join(caller.bot_turns())
            assert all(message.type not in ("error", "metrics") for message in caller.messages)

        session = await eventually(lambda: ended_session(controller, started["id"]), "the end", within=6)
    assert (session["reason"], session["message"]) == ("caller_left", "The caller left the call.")
    kept = (await store.get("/sandbox/saved", params={"userId": "lea"})).json()
    assert [product["number"] for product in kept["products"]] == [2]
    assert await eventually(livekit.is_empty, "the room's end")
