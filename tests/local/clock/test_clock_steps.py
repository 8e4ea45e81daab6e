"""Calls whose bots' wall clock is set back and forth while they speak."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from sandbox.caller import calling
from sandbox.caller_audio import RATE, Ear, trimmed
from sandbox.mind.answers import sentences
from sandbox.voice import Voice, seconds_of
from testing.processes import ROOT, Sandbox, ended_session, eventually
from testing.servers.livekit import LiveKitServer
from tests.local.conftest import PROGRAMS, serving

STEPS = (-5.0, -12.0, -3600.0, 5.0, 3600.0)
"""Seconds by which the clock is set back or forward, one after the other."""

BETWEEN_SECONDS = 1.5
LONGEST_GAP_SECONDS = 3.0
"""Less than the smallest step, and far more than the breath between two sentences."""

STORY = (
    "Once upon a time there was a shop with running shoes of every color. People came from far away to see "
    "them. Some wanted blue ones, others wanted red ones, and all of them went home happy."
)


class WallClock:
    """The wall clock of all bots of one controller."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wrong_by = 0.0
        path.write_bytes(struct.pack("d", 0.0))

    def step(self, seconds: float) -> None:
        self._wrong_by += seconds
        with self.path.open("r+b") as file:
            file.write(struct.pack("d", self._wrong_by))


@pytest.fixture
def wall_clock(tmp_path: Path) -> WallClock:
    return WallClock(tmp_path / "clock")


@pytest.fixture
def urls(
    sandbox: Sandbox,
    livekit: LiveKitServer,
    wall_clock: WallClock,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> Iterator[dict[str, str]]:
    """Serve controllers whose bots use that clock, one for each kind of room."""
    variables = {
        "PYTHONPATH": f"{Path(__file__).parent}{os.pathsep}{ROOT}",
        "PYTHON_CLOCK": str(wall_clock.path),
        # A caller who seems to be gone for a moment ends the call.
        "PODLINE_RETURN_GRACE_SECONDS": "0.1",
    }
    rooms: dict[str, Mapping[str, str]] = {"webrtc": {}, "livekit": livekit.variables}
    with contextlib.ExitStack() as stack:
        served = {}
        for name, more in rooms.items():
            directory = tmp_path / name
            directory.mkdir()
            site = serving(sandbox, directory, pytestconfig.stash[PROGRAMS], {**variables, **more})
            served[name] = stack.enter_context(site)
        yield served


async def test_the_bot_speaks_on_and_the_caller_stays_when_the_clock_is_set(
    urls: dict[str, str], wall_clock: WallClock, voice: Voice
) -> None:
    speaking = asyncio.Barrier(len(urls) + 1)
    async with asyncio.TaskGroup() as tasks:
        for name, url in urls.items():
            tasks.create_task(call(url, voice, speaking), name=name)
        await speaking.wait()
        for seconds in STEPS:
            await asyncio.sleep(BETWEEN_SECONDS)
            wall_clock.step(seconds)


async def call(url: str, voice: Voice, speaking: asyncio.Barrier) -> None:
    """Have the bot tell the story, and meet the others when it begins."""
    async with httpx.AsyncClient(base_url=url) as controller:
        async with calling(url, voice, user_id="kai") as (caller, session_id):
            assert session_id is not None
            await caller.hears_bot()
            await caller.bot_quiet()

            caller.write(f'say "{STORY}"')
            began = await caller.hears_bot()
            await speaking.wait()
            await caller.bot_quiet(LONGEST_GAP_SECONDS)
            assert caller.bot_turns()[-1] == STORY
            assert_heard_whole(caller.ear, began, length_of(STORY, voice))

            asked = await caller.say("find running shoes")
            assert await caller.hears_bot() > asked

        session = await eventually(lambda: ended_session(controller, session_id), "the session's end")
    assert (session["reason"], session["message"]) == ("caller_left", "The caller left the call.")


def assert_heard_whole(ear: Ear, began: float, seconds: float) -> None:
    """Check that the bot was heard neither in pieces nor all at once."""
    stretches = [stretch for stretch in ear.stretches if stretch.began >= began]
    gaps = [round(after.began - before.ended, 2) for before, after in pairwise(stretches)]
    assert max(gaps, default=0.0) < LONGEST_GAP_SECONDS, gaps
    heard = stretches[-1].ended - began
    assert heard > 0.8 * seconds, f"heard within {heard:.1f} s what takes {seconds:.1f} s"


def length_of(text: str, voice: Voice) -> float:
    """Return how long it takes to say this, at least."""
    return sum(seconds_of(trimmed(voice.say(each, RATE)), RATE) for each in sentences(text))
