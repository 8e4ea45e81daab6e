"""The watch over a pipeline's processors, which ends the call once one of them can no longer work."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from loguru import logger
from pipecat.frames.frames import CancelFrame, ErrorFrame, Frame, StartFrame
from pipecat.pipeline.service_switcher import ServiceSwitcher
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_input import BaseInputTransport

from podline.contract.reasons import Reason
from podline.runner.attendance import Attendance
from podline.runner.ending import CallEnding
from podline.runner.health.progress import Progress
from podline.runner.health.tasks import EndedTask, WatchedTasks
from podline.runner.health.verdicts import ending_after, ending_of, ending_of_crash, name_of

STUCK_SECONDS: Final = 15.0
"""How long a processor may at least let a heartbeat wait while the bot is silent: a model that isn't
realtime thinks while it processes a frame."""
SILENT_STUCK_SECONDS: Final = 60.0
"""The same for a bot that is silent by design, whose models may take their time."""
DEAF_SECONDS: Final = 15.0
"""How much of the caller's audio a processor may withhold in a row if it usually passes audio on."""
BLAME_SECONDS: Final = 2.0
"""How long a processor must have done nothing before it is blamed for a caller's wait in silence."""
_EVENT_TASKS: Final = "_async_on_"
"""How Pipecat's LiveKit client names tasks that handle one event, which others in the room may cause."""
_OBSERVERS: Final = "WorkerObserver"
"""The owner of the tasks in which Pipecat runs a worker's observers."""
_RUNNERS_OBSERVERS: Final = "podline.runner.observers."
_CHECK_SECONDS: Final = 1.0


class PipelineHealth:
    """Watches the processors of one pipeline.

    Attributes:
        tasks: The task manager that the pipeline must run with.
    """

    def __init__(
        self,
        worker: PipelineWorker,
        attendance: Attendance,
        mute_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Watch a pipeline.

        Args:
            worker: Runs the pipeline, with heartbeats.
            attendance: The call's.
            mute_seconds: How long an answer may take; 0 if the bot is silent by design.
            now: A monotonic clock.
        """
        self._attendance = attendance
        self._stuck_seconds = max(STUCK_SECONDS, 2 * mute_seconds) if mute_seconds else SILENT_STUCK_SECONDS
        self._progress = Progress(worker.pipeline, now)
        self.tasks = WatchedTasks(self._task_ended)
        for each in _answerable(worker.pipeline):
            each.add_event_handler("on_error", self._error)
            each.add_event_handler("on_usable_changed", self._usable_changed)
        handlers: dict[str, Callable[..., None]] = {
            "on_pipeline_error": self._error,
            "on_setup_timeout": self._not_set_up,
            "on_pipeline_timeout": self._not_started,
        }
        for event, handler in handlers.items():
            worker.add_event_handler(event, handler)

    async def run(self) -> None:
        """Look for stuck processors for as long as the call lasts."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if (stuck := self._progress.stuck_for(self._stuck_seconds)) is not None:
                self._end(stuck, ending_of(stuck, f"has been stuck for {self._stuck_seconds:g} seconds"))
            elif (deaf := self._progress.deaf_for(DEAF_SECONDS)) is not None:
                self._end(deaf, ending_of(deaf, "stopped passing on what the caller says"))

    def ending_of_silence(self) -> CallEnding | None:
        """Return the ending if a processor is to blame that the caller hears nothing."""
        if (stuck := self._progress.stuck_for(BLAME_SECONDS)) is not None:
            return ending_of(stuck, "has been stuck while the caller waited for an answer")
        if (silencer := self._progress.silencer(BLAME_SECONDS)) is not None:
            return ending_of(silencer, "did not pass on what the bot says")
        return None

    def who_withholds(self, kind: type[Frame]) -> FrameProcessor | None:
        """Return the processor that has not passed on a frame of this kind, if one has not."""
        return self._progress.holder_of(kind)

    async def cancel_past(self, withholder: FrameProcessor) -> None:
        """Cancel the processors after one that withholds a `CancelFrame`."""
        self._progress.skip(withholder, CancelFrame)
        if withholder.next is not None:
            await withholder.next.queue_frame(CancelFrame())

    # What Pipecat reports.

    def _error(self, _reporter: Any, frame: ErrorFrame) -> None:
        ending = ending_after(frame)
        if ending is not None:
            self._end(frame.processor, ending, frame.exception)

    def _usable_changed(self, processor: FrameProcessor, is_usable: bool) -> None:  # noqa: FBT001 - Pipecat's
        if not is_usable:
            self._end(processor, ending_of(processor, "reported that it can no longer work"))

    def _task_ended(self, task: EndedTask) -> None:
        owner = next((each for each in self._progress.processors if each.name == task.owner), None)
        if task.error is None:
            # A room's input listens in its tasks, and some of Pipecat's return from what they can't handle.
            if isinstance(owner, BaseInputTransport):
                self._end(owner, ending_of(owner, f"stopped listening: its task {task.name} returned"))
        elif owner is not None:
            self._end(owner, ending_of_crash(owner, task.error, task.name), task.error)
        elif _concerns_call(task):
            self._end(None, _ending_without_processor(task.error, task.module), task.error)

    def _not_set_up(self, _worker: PipelineWorker) -> None:
        self._end_start("could not be set up in time")

    def _not_started(self, _worker: PipelineWorker, frame: Frame) -> None:
        if isinstance(frame, StartFrame):
            self._end_start("did not let the call begin")

    def _end_start(self, what: str) -> None:
        holder = self._progress.holder_of(StartFrame)
        if holder is None:
            self._end(None, CallEnding(Reason.CRASHED, "The pipeline could not start; see the bot's log."))
        else:
            self._end(holder, ending_of(holder, what))

    def _end(
        self, processor: FrameProcessor | None, ending: CallEnding, error: BaseException | None = None
    ) -> None:
        if self._attendance.ending.done():
            # A pipeline that is being closed may fail in any way.
            return
        name = "" if processor is None else name_of(processor)
        logger.opt(exception=error).error("a processor can no longer work", processor=name)
        self._attendance.end(ending if error is None else replace(ending, error=error))


def _answerable(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """Yield the processors whose failures count: a switcher stands for the services in it."""
    for each in processor.processors:
        if isinstance(each, ServiceSwitcher) or not each.processors:
            yield each
        else:
            yield from _answerable(each)


def _concerns_call(task: EndedTask) -> bool:
    """Return whether the call can't go on without a task of no processor's.

    It can without an observer of the bot's own: that only watches. The runner's observers meter and guard it.
    """
    if task.owner.startswith(_OBSERVERS):
        trace = None if task.error is None else task.error.__traceback__
        modules = (str(frame.f_globals.get("__name__")) for frame, _line in traceback.walk_tb(trace))
        return any(each.startswith(_RUNNERS_OBSERVERS) for each in modules)
    return not task.name.startswith(_EVENT_TASKS)


def _ending_without_processor(error: BaseException, module: str) -> CallEnding:
    """Return the ending for a dead task of the worker, an observer, or a transport's client."""
    ending = CallEnding.of_bug(error)
    if ending.reason is Reason.CRASHED and module.startswith("pipecat.transports."):
        return replace(ending, reason=Reason.ROOM_LOST)
    return ending
