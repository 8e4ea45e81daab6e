"""What a scripted caller does when its bot is killed, which says no goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from sandbox.caller import Caller
from sandbox.caller_audio import RATE, Mouth
from sandbox.caller_signalling import CallFailedError
from sandbox.voice import Voice

SILENT_SECONDS = 0.05


@pytest.fixture
async def caller(voice: Voice) -> AsyncIterator[Caller]:
    """A caller who has heard one frame of a bot that was killed then: nothing reports it."""
    caller = Caller(voice, np.random.default_rng(0))
    caller.ear.last_frame_at = caller.ear.clock()
    yield caller
    await caller.close()


async def answer_over() -> bool:
    return True


async def test_a_caller_who_hears_nothing_of_a_killed_bot_waits_no_longer(caller: Caller) -> None:
    watching = asyncio.create_task(caller.watch_for_silence(SILENT_SECONDS, answer_over))

    with pytest.raises(CallFailedError, match="the bot left"):
        await caller.hears_bot()
    await watching


async def test_a_bot_that_sends_nothing_in_a_call_that_goes_on_has_not_left(caller: Caller) -> None:
    asked = asyncio.Event()

    async def answer_live() -> bool:
        asked.set()
        return False

    watching = asyncio.create_task(caller.watch_for_silence(SILENT_SECONDS, answer_live))
    await asked.wait()
    watching.cancel()

    assert not caller.bot_left


async def test_speech_ends_with_the_connection_that_carries_it() -> None:
    mouth = Mouth(np.random.default_rng(0))
    speech = np.full(RATE, 3000, np.int16)
    speaking = mouth.say(speech)
    await mouth.recv()

    mouth.stop()

    await speaking
    await mouth.say(speech)
    with pytest.raises(MediaStreamError):
        await mouth.recv()
