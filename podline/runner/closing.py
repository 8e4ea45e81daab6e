"""The last seconds of a call: the goodbye, the message to the page, the end of the pipeline."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from loguru import logger
from pipecat.frames.frames import CancelFrame, EndFrame, Frame

from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import TERMINATED, Reason
from podline.runner.attendance import Attendance
from podline.runner.ending import UNHURRIED_SECONDS, CallEnding
from podline.runner.health.verdicts import name_of
from podline.runner.pipeline import CallPipeline

SENTENCE_SECONDS: Final = 6.0
"""How long the bot may take to finish its sentence once the call has to end."""
GOODBYE_SECONDS: Final = 8.0
"""How long a goodbye may take, from the request for it to its last sound."""
ANSWER_SECONDS: Final = 4.0
"""How long of that to wait for its first sound."""
AGAIN_SECONDS: Final = 1.0
"""How long to wait for a goodbye that was cut off to go on."""
SHORTEST_GOODBYE_SECONDS: Final = 0.3
"""What ends sooner was cut off, by an interruption from before the goodbye that was late."""
CLOSING_SECONDS: Final = 2.0
"""Reserved from the grace period for closing the pipeline and for the last report."""
END_SECONDS: Final = 1.0
"""How long the pipeline's end may take. It takes 0.3 s."""
PAST_SECONDS: Final = 0.2
"""How long each processor may hold up the end once it is overdue."""
LEAVING_SECONDS: Final = 2.0
"""How long the processors may then take to release what they hold."""
_LOOK_SECONDS: Final = 0.01


class Closing:
    """Closes one call once its ending is decided."""

    def __init__(self, ending: CallEnding, attendance: Attendance, pipeline: CallPipeline) -> None:
        self._ending = ending
        self._attendance = attendance
        self._pipeline = pipeline
        self._worker = pipeline.worker
        self._health = pipeline.health
        self._voice = pipeline.voice

    async def say_goodbye(self, grace_seconds: float) -> None:
        """Say goodbye, unless the ending has none or the caller is gone. Stop once the caller is gone."""
        if self._attendance.caller_is_here and self._ending.goodbye != "none":
            await _first_of(self._say_goodbye(grace_seconds), self._attendance.caller_gone.wait())

    async def close(self) -> None:
        """Close the pipeline: after its last sounds if somebody is there to hear them, otherwise at once.

        A processor that withholds the end is bypassed. A pipeline that still does not close is left to the
        end of the process.
        """
        if self._attendance.caller_is_here:
            await self._pipeline.send(self._message_to_page())
        is_orderly = self._ending.goodbye != "none" and self._voice.quiet.is_set()
        if is_orderly:
            await self._worker.stop_when_done()
        else:
            await self._pipeline.flush()
            await self._worker.cancel()
        if not await self._is_closed(END_SECONDS):
            self._report_withholder(EndFrame if is_orderly else CancelFrame)
            await self._force()

    async def _is_closed(self, within: float) -> bool:
        """Wait until the worker has finished, at most this long. It reports its end before it is through."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._worker.has_finished():  # noqa: ASYNC110 - Pipecat has no event for it
                    await asyncio.sleep(_LOOK_SECONDS)
        return self._worker.has_finished()

    async def _force(self) -> None:
        """Cancel each processor, bypassing those that withhold even that."""
        # The worker's own cancellation would wait behind the frame that has not come through.
        await self._worker.pipeline.queue_frame(CancelFrame())
        while not await self._is_closed(PAST_SECONDS):
            withholder = self._health.who_withholds(CancelFrame)
            if withholder is None:
                break
            await self._health.cancel_past(withholder)
        if not await self._is_closed(LEAVING_SECONDS):
            logger.error("the pipeline does not close")

    def _report_withholder(self, kind: type[Frame]) -> None:
        withholder = self._health.who_withholds(kind)
        if withholder is not None:
            logger.error("a processor withholds the end of the call", processor=name_of(withholder))

    async def _say_goodbye(self, grace_seconds: float) -> None:
        """Let the bot finish its sentence and its goodbye, as far as the grace period allows."""
        whole = grace_seconds if self._ending.is_ordered else UNHURRIED_SECONDS
        within = whole - CLOSING_SECONDS
        await _wait(self._voice.quiet, min(SENTENCE_SECONDS, max(0.0, within)))
        if within < SENTENCE_SECONDS + GOODBYE_SECONDS:
            return
        if self._ending.goodbye == "ask":
            if self._pipeline.cues.farewell is None:
                return
            self._voice.speaking.clear()
            await self._pipeline.say(self._pipeline.cues.farewell())
        if await self._is_cut_off(ANSWER_SECONDS):
            await self._is_cut_off(AGAIN_SECONDS)

    async def _is_cut_off(self, within: float) -> bool:
        """Hear out what the bot begins to say in this time, and return whether that ended at once."""
        if not await _wait(self._voice.speaking, within):
            return False
        clock = asyncio.get_running_loop().time
        began = clock()
        await _wait(self._voice.quiet, GOODBYE_SECONDS - ANSWER_SECONDS)
        return clock() - began < SHORTEST_GOODBYE_SECONDS

    def _message_to_page(self) -> dict[str, Any]:
        ending = self._ending
        # The controller knows who sent the signal; for the caller the call was stopped.
        reason = Reason.STOPPED if ending.reason == TERMINATED else Reason(ending.reason)
        # The ending's own message is for the operator.
        return {"type": "call_ended", "reason": reason, "message": TEXTS[reason].to_caller}


async def is_done(task: asyncio.Task[None], within: float) -> bool:
    """Wait for the task, at most this long, and return whether it is done."""
    done, _ = await asyncio.wait([task], timeout=within)
    return bool(done)


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most this long, and return whether it came."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _first_of(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all of these until one is done, and cancel the others."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
