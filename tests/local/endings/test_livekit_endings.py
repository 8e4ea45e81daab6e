"""Every way a call can end in a room of a real LiveKit server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.local.endings import causes as endings_causes
from tests.local.endings import livekit_causes
from tests.local.endings.matrix import Ending, Matrix, check, playing_chosen

LIVEKIT = {
    "PODLINE_ROOMS": "livekit",
    "PODLINE_GRACE_SECONDS": "3",
    # Three sites and LiveKit's servers share a machine.
    "PODLINE_START_TIMEOUT_SECONDS": "60",
}
SITES = {
    "rooms": LIVEKIT,
    # LiveKit's clients try again every five seconds.
    "killed": {**LIVEKIT, "PODLINE_RETURN_GRACE_SECONDS": "8"},
    "strict": {**LIVEKIT, "LIVEKIT_AUTO_CREATE": "false"},
}
"""A site has a server of its own; one that makes no room unasked is strict."""

LEFT = ("caller_left", "The caller left the call.", 0, 6)
"""How a call ends that went on."""

UNHEARD = ("room_lost", "the caller's microphone", 66, 16)
"""How a call ends whose bot can't subscribe to what the caller says."""

LIVEKIT_MISSES = 30
"""LiveKit tells of a caller who was killed after some twenty seconds."""

ENDINGS_OF_ROOMS = [
    Ending("caller-closes", "rooms", endings_causes.caller_closes, *LEFT),
    Ending("nobody-comes", "rooms", endings_causes.nobody_comes, "no_caller", "within 4 seconds", 0, 8),
    Ending("goodbye", "rooms", endings_causes.caller_says_goodbye, "completed", "said goodbye", 0, 15),
    Ending(
        "caller-killed",
        "killed",
        livekit_causes.caller_is_killed,
        "caller_left",
        "did not come back within 8 seconds",
        0,
        LIVEKIT_MISSES + 11,
    ),
    Ending("caller-back-at-once", "rooms", livekit_causes.caller_is_killed_and_back_at_once, *LEFT),
    Ending("caller-back-when-missed", "strict", livekit_causes.caller_is_killed_and_back_when_missed, *LEFT),
    Ending("no-microphone", "rooms", livekit_causes.caller_has_no_microphone, "stopped", "on request", 0, 8),
    Ending("bot-first", "strict", livekit_causes.bot_is_there_before_the_caller, *LEFT),
    Ending("republished", "strict", livekit_causes.microphone_is_republished, *LEFT),
    Ending("unheard-for-a-while", "strict", livekit_causes.caller_can_not_be_heard_for_a_while, *LEFT),
    Ending("unheard", "strict", livekit_causes.caller_can_not_be_heard_any_more, *UNHEARD),
    Ending(
        "caller-put-out",
        "strict",
        livekit_causes.caller_is_put_out,
        "caller_left",
        "did not come back within 3 seconds",
        0,
        9,
    ),
    Ending("caller-back-when-put-out", "strict", livekit_causes.caller_is_put_out_and_returns, *LEFT),
    Ending("caller-twice", "rooms", livekit_causes.caller_joins_twice, *LEFT),
    Ending("two-callers", "rooms", livekit_causes.two_callers, *LEFT),
    Ending(
        "room-deleted",
        "rooms",
        livekit_causes.room_is_deleted,
        "room_lost",
        "somebody deleted the room",
        66,
        6,
    ),
    Ending(
        "bot-put-out", "rooms", livekit_causes.bot_is_put_out, "room_lost", "somebody removed the bot", 66, 6
    ),
    Ending("bot-twice", "rooms", livekit_causes.bot_joins_twice, "room_lost", "joined as the bot", 66, 6),
    Ending(
        "bot-mute", "rooms", livekit_causes.bot_is_made_mute, "room_lost", "permission to send audio", 66, 6
    ),
    Ending(
        "room-gone",
        "strict",
        livekit_causes.room_is_gone_before_the_bot_is_there,
        "room_refused",
        "there is no such room",
        65,
        20,
    ),
    Ending(
        "server-killed",
        "killed",
        livekit_causes.server_is_killed,
        "room_lost",
        "interrupted for 10 seconds",
        66,
        10 + 6,
    ),
    Ending("server-back", "killed", livekit_causes.server_is_killed_and_back, *LEFT),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Matrix]:
    """Plays the rows of all tests that were chosen, from the first test on."""
    directory = tmp_path_factory.mktemp("livekit-endings")
    async with playing_chosen(request, directory, ENDINGS_OF_ROOMS, SITES) as matrix:
        yield matrix


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("row", ENDINGS_OF_ROOMS, ids=lambda row: row.id)
async def test_each_cause_ends_the_call_in_its_room_under_its_own_name(row: Ending, matrix: Matrix) -> None:
    """With its reason, a sentence that helps, its exit code; and no bot remains, nor does it use capacity."""
    check(row, await matrix.results[row.id])
