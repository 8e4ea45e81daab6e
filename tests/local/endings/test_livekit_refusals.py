"""Bots run alone with a room of a real LiveKit server that does not let them in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testing.callers.livekit_guest import guest
from testing.processes import Sandbox, free_port
from testing.servers.livekit import LiveKitServer, livekit_server
from tests.local.conftest import PROGRAMS
from tests.local.test_bot_alone import run_alone

ROOM = "web-room"
NOT_ACCEPTED = "the token was not accepted; check LIVEKIT_TOKEN, who signed it, and whether it has expired"
Entry = Callable[[LiveKitServer], tuple[str, str]]
"""URL and token."""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LiveKitServer]:
    """A server that makes no room because of a token."""
    directory = tmp_path_factory.mktemp("strict")
    with livekit_server(directory, pytestconfig.stash[PROGRAMS].append, makes_rooms_unasked=False) as server:
        yield server


def by_token(token: Callable[[LiveKitServer], str]) -> Entry:
    return lambda server: (server.url, token(server))


REFUSALS: dict[str, tuple[Entry, str]] = {
    "wrong secret": (by_token(lambda server: server.token(ROOM, secret="x" * 32)), NOT_ACCEPTED),
    "expired": (by_token(lambda server: server.token(ROOM, seconds=-3600)), NOT_ACCEPTED),
    "no token at all": (by_token(lambda _: "some-words"), NOT_ACCEPTED),
    "not for joining": (by_token(lambda server: server.token(ROOM, room_join=False)), NOT_ACCEPTED),
    "room gone": (
        by_token(lambda server: server.token("never-made")),
        "there is no such room; create the room first, and a token for it",
    ),
    "may not hear": (
        by_token(lambda server: server.token(ROOM, can_subscribe=False)),
        "the token does not allow it to hear the caller; set LIVEKIT_TOKEN to one that does",
    ),
    "may not speak": (
        by_token(lambda server: server.token(ROOM, can_publish=False)),
        "the token does not allow it to send audio; set LIVEKIT_TOKEN to one that does",
    ),
    "may only show": (
        by_token(lambda server: server.token(ROOM, can_publish_sources=["camera"])),
        "the token does not allow it to send audio; set LIVEKIT_TOKEN to one that does",
    ),
    "server down": (
        lambda server: (f"ws://127.0.0.1:{free_port()}", server.token(ROOM)),
        "there was no connection",
    ),
}


@pytest.mark.parametrize("why", REFUSALS)
async def test_a_bot_that_is_not_let_in_says_why_and_leaves(
    why: str, tmp_path: Path, sandbox: Sandbox, strict: LiveKitServer
) -> None:
    entry, words = REFUSALS[why]
    url, token = entry(strict)
    if ROOM not in await strict.rooms():
        await strict.make_room(ROOM)

    code, said, word = run_alone(tmp_path, {**sandbox.variables, "LIVEKIT_URL": url, "LIVEKIT_TOKEN": token})

    assert (code, word["reason"]) == (65, "room_refused")
    assert str(word["message"]).startswith(f"LiveKit did not let the bot in: {words}")
    assert token not in said + str(word)
    assert token.rpartition(".")[2] not in said + str(word), "the signature makes the rest of use"
    assert await strict.participants(ROOM) == []


async def test_a_bot_that_finds_the_room_full_says_so(
    tmp_path: Path, sandbox: Sandbox, strict: LiveKitServer
) -> None:
    await strict.make_room("small", max_participants=1)
    async with guest(strict.url, strict.token("small", "first"), "--silent"):
        own = {"LIVEKIT_URL": strict.url, "LIVEKIT_TOKEN": strict.token("small", "our-bot")}
        code, _, word = await asyncio.to_thread(run_alone, tmp_path, {**sandbox.variables, **own})

    assert (code, word["reason"]) == (65, "room_refused")
    assert "the room is full, or the server failed" in str(word["message"])
