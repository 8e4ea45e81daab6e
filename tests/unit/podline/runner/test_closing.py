"""How long a call that is ending waits for its goodbye."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from podline.contract.reasons import Reason
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.channel.outbox import Outbox
from podline.runner.closing import AGAIN_SECONDS, ANSWER_SECONDS, GOODBYE_SECONDS, Closing
from podline.runner.ending import CallEnding
from podline.runner.observers.voice import VoiceObserver
from podline.runner.pipeline import CallPipeline
from testing.fakes.controllers.clockwork import at_once


@dataclass
class SpeakingPipeline:
    """The part of a pipeline that says what it is told to, when it is told to."""

    voice: VoiceObserver = field(default_factory=VoiceObserver)
    worker: object = None
    health: object = None

    async def speaks(self, speech: Iterable[tuple[float, float]]) -> None:
        for pause, seconds in speech:
            await asyncio.sleep(pause)
            self.voice.quiet.clear()
            self.voice.speaking.set()
            await asyncio.sleep(seconds)
            self.voice.speaking.clear()
            self.voice.quiet.set()


async def closing_takes(*speech: tuple[float, float]) -> float:
    """Return how many seconds a goodbye takes for which the bot pauses and speaks like this."""
    attendance = Attendance(Outbox(lambda: 1.0), CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    attendance.joined()
    attendance.caller_joined()
    pipeline = SpeakingPipeline()
    ending = CallEnding(Reason.COMPLETED, "The bot said goodbye and left.", goodbye="awaited")
    closing = Closing(ending, attendance, cast("CallPipeline", pipeline))
    clock = asyncio.get_running_loop().time
    began = clock()
    speaking = asyncio.create_task(pipeline.speaks(speech))
    await closing.say_goodbye(grace_seconds=20)
    took = clock() - began
    await speaking
    return round(took, 1)


@at_once
async def test_a_goodbye_is_heard_out() -> None:
    assert await closing_takes((0.5, 2.0)) == 2.5


@at_once
async def test_a_goodbye_that_is_cut_off_as_it_begins_is_waited_for() -> None:
    assert await closing_takes((0.5, 0.1), (0.4, 2.0)) == 3.0


@at_once
async def test_a_goodbye_that_does_not_go_on_is_not_waited_for_long() -> None:
    assert await closing_takes((0.5, 0.1)) == 0.6 + AGAIN_SECONDS


@at_once
async def test_a_bot_that_says_nothing_is_waited_for_once() -> None:
    assert await closing_takes() == ANSWER_SECONDS


@at_once
async def test_a_goodbye_without_end_is_not_waited_for() -> None:
    assert await closing_takes((1.0, 30.0)) == 1.0 + GOODBYE_SECONDS - ANSWER_SECONDS
