"""The last seconds of a call: the goodbye, the message to the page, the end of the pipeline."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from pipecat.frames.frames import Frame
from pipecat.pipeline.worker import PipelineWorker

from podline.contract.reasons import TERMINATED, Phase, Reason
from podline.runner.attendance import Attendance
from podline.runner.ending import UNHURRIED_SECONDS, CallEnding
from podline.runner.observers.voice import VoiceObserver

SENTENCE_SECONDS: Final = 6.0
"""How long the bot may take to finish its sentence once the call has to end."""
GOODBYE_SECONDS: Final = 8.0
"""How long a goodbye may take, from the request for it to its last sound."""
ANSWER_SECONDS: Final = 4.0
"""How long of that to wait for its first sound."""
FLUSH_SECONDS: Final = 0.5
"""How long the last message to the caller's page may take through the pipeline."""
CLOSING_SECONDS: Final = 2.0
"""Reserved from the grace period for closing the pipeline and for the last report."""

FAILED: Final = "Something went wrong on our side. Please call again."
"""What the caller reads if a call failed."""


class Closing:
    """Closes one call once its ending is decided."""

    def __init__(
        self, ending: CallEnding, attendance: Attendance, worker: PipelineWorker, voice: VoiceObserver
    ) -> None:
        self._ending = ending
        self._attendance = attendance
        self._worker = worker
        self._voice = voice

    async def say_goodbye(self, farewell: Frame, grace_seconds: float) -> None:
        """Say goodbye, unless the ending has none or the caller is gone. Stop once the caller is gone."""
        if self._attendance.caller_is_here and self._ending.goodbye != "none":
            await _first_of(self._say_goodbye(farewell, grace_seconds), self._attendance.caller_gone.wait())

    async def close(self, pipeline: asyncio.Task[None]) -> None:
        """Close the pipeline: after its last sounds if somebody is there to hear them, otherwise at once."""
        if self._attendance.caller_is_here:
            await self._worker.rtvi.send_server_message(self._message_to_page())
        if self._ending.goodbye != "none" and self._voice.quiet.is_set():
            await self._worker.stop_when_done()
        else:
            await self._worker.flush_pipeline(FLUSH_SECONDS)
            await self._worker.cancel()
        done, _ = await asyncio.wait([pipeline], timeout=CLOSING_SECONDS)
        if not done:
            await self._worker.cancel()

    async def _say_goodbye(self, farewell: Frame, grace_seconds: float) -> None:
        """Let the bot finish its sentence and its goodbye, as far as the grace period allows."""
        whole = grace_seconds if self._ending.is_ordered else UNHURRIED_SECONDS
        within = whole - CLOSING_SECONDS
        await _wait(self._voice.quiet, min(SENTENCE_SECONDS, max(0.0, within)))
        if within < SENTENCE_SECONDS + GOODBYE_SECONDS:
            return
        if self._ending.goodbye == "ask":
            self._voice.speaking.clear()
            await self._worker.queue_frame(farewell)
        await _wait(self._voice.speaking, ANSWER_SECONDS)
        await _wait(self._voice.quiet, GOODBYE_SECONDS - ANSWER_SECONDS)

    def _message_to_page(self) -> dict[str, Any]:
        ending = self._ending
        # The controller knows who sent the signal; for the caller the call was stopped.
        reason = Reason.STOPPED if ending.reason == TERMINATED else Reason(ending.reason)
        # The details of a failure are for the operator.
        message = FAILED if reason.phase is Phase.FAILED else ending.message
        return {"type": "call_ended", "reason": reason, "message": message}


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most this long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _first_of(*works: Coroutine[Any, Any, Any]) -> None:
    """Run all of these until one is done, and cancel the others."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
