"""One call for one bot: attach to it, let it converse, end."""

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from loguru import logger
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frameworks.rtvi.models import Error, ErrorData
from pipecat.workers.runner import WorkerRunner

from podline.contract.messages import (
    AudioDropped,
    ClientMessagesRefused,
    ResponseLatency,
    StopMessage,
)
from podline.contract.reasons import Reason
from podline.current_call import install_call
from podline.runner.arguments import runner_arguments
from podline.runner.attaching import attach_to
from podline.runner.attachment import KnownTools, handles_client_messages, meets_caller, trace
from podline.runner.attendance import Attendance
from podline.runner.bot_errors import ending_of_bot
from podline.runner.bot_file import BotFile
from podline.runner.channel.client import ControllerClient
from podline.runner.channel.inbox import InboxReader
from podline.runner.channel.outbox import Outbox
from podline.runner.closing import Closing, is_done
from podline.runner.ending import CANCELLED, CallEnding
from podline.runner.held_call import HeldCall
from podline.runner.observers.measurements import RecordEvent, SessionObservers
from podline.runner.pipeline import CallPipeline, attach_beside
from podline.runner.pipeline_watch import PipelineWatch
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.hearing import Hearing
from podline.runner.room.transports import prepare_transport
from podline.runner.settings import RunnerSettings
from podline.timer import Timer

if TYPE_CHECKING:
    from podline.runner.observers.spans import Traces

MakeObservers = Callable[[RecordEvent, Callable[[], bool]], SessionObservers]

REFUSALS_SECONDS: Final = 2.0
"""How often refused client messages are recorded: an event for each would crowd out others."""

WORKER_SECONDS: Final = 20.0
"""How long a bot may take from its call to a pipeline worker in its caller's room. It takes 0.1 s."""

LEAVING_SECONDS: Final = 3.0
"""How long a bot may take to end its pipeline once its caller has left, and to return once its pipeline is
closed."""


class BotSession:
    """One call, attached to the bot that holds it. Implements `podline.runner.attaching.Attaching`."""

    def __init__(
        self,
        settings: RunnerSettings,
        outbox: Outbox,
        attendance: Attendance,
        traces: "Traces | None" = None,
        take_signals: Callable[[], None] = lambda: None,
        make_observers: MakeObservers = SessionObservers,
    ) -> None:
        """Prepare a call.

        Args:
            settings: The runner's.
            outbox: Takes what happens.
            attendance: Who is there, and why the call ends.
            traces: Takes spans; None if they are not wanted.
            take_signals: Handles the process's signals, whoever handled them before.
            make_observers: Makes what measures the call.
        """
        self._settings = settings
        self._outbox = outbox
        self._attendance = attendance
        self._traces = traces
        self._take_signals = take_signals
        self._messages = ClientMessages(time.monotonic, self._report_refusal)
        self._hearing = Hearing(time.monotonic)
        self._meeting = CallerMeeting(attendance, self._messages)
        self._tools = KnownTools()
        record = outbox.record if traces is None else traces.noting(outbox.record, self._tools)
        self._observers = make_observers(record, lambda: attendance.caller_is_here)
        self._call = HeldCall(settings, attendance, self._send)
        self._peer = prepare_transport(settings, self._meeting)
        self._pipeline: CallPipeline | None = None
        self._is_attached = asyncio.Event()
        self._patience = Timer()
        self._runners: list[WorkerRunner] = []
        self._other_workers = 0

    async def run(self, bot: BotFile) -> None:
        """Let the bot hold the call.

        Return when the call has ended, the bot's pipeline is closed and the last report is sent.
        """
        # In the context of each task that begins here: a bot's event handlers run in those of its connection.
        attach_to(self, os.environ)
        install_call(self._call)
        async with contextlib.AsyncExitStack() as stack:
            controller = await self._open_channel(stack)
            if self._peer is not None:
                stack.push_async_callback(self._peer.close)
                self._attendance.joined()
            # Not one of the group's tasks, which would wait for a bot that does not return.
            running = asyncio.create_task(self._run_bot(bot), name="bot")
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._guard(work)) for work in self._helpers(controller)]
                await self._end(await self._ending(), running)
                for helper in helpers:
                    helper.cancel()
            self._record_refusals()

    async def _ending(self) -> CallEnding:
        """Wait for the ending. Decide it if the bot's own code cancels this task with all others."""
        try:
            return await asyncio.shield(self._attendance.ending)
        except asyncio.CancelledError:
            self._attendance.end(CANCELLED)
            raise

    # The bot.

    async def _run_bot(self, bot: BotFile) -> None:
        """Call the bot, and end the call once it returns, if nothing else did before."""
        arguments = await runner_arguments(self._settings, self._peer)
        overdue = f"The bot ran no PipelineWorker within {WORKER_SECONDS:g} seconds"
        self._patience.start(WORKER_SECONDS, self._end_without_worker, overdue)
        try:
            await bot.entry_point(arguments)
        except asyncio.CancelledError as error:
            if self._attendance.ending.done():
                raise
            ending = ending_of_bot(error, bot.path)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a bot may raise anything
            logger.opt(exception=error).error("the bot crashed")
            ending = ending_of_bot(error, bot.path)
        else:
            ending = self._ending_of_return()
        task = asyncio.current_task()
        if task is not None and task.cancelling() and not self._attendance.ending.done():
            # Pipecat's WorkerRunner returns if it is cancelled.
            ending = CANCELLED
        self._attendance.end(ending)

    def _ending_of_return(self) -> CallEnding:
        if self._pipeline is None:
            return self._ending_without_worker("The bot returned without running a PipelineWorker")
        if self._attendance.caller_gone.is_set():
            return CallEnding(Reason.CALLER_LEFT, "The caller left the call.")
        return CallEnding(Reason.COMPLETED, "The bot ended the call.")

    def _end_without_worker(self, what: str) -> None:
        self._attendance.end(self._ending_without_worker(what))

    def _ending_without_worker(self, what: str) -> CallEnding:
        if self._other_workers:
            what = "The bot runs no pipeline in its caller's room"
            remedy = "make a transport of its runner_args, and begin and end the pipeline with it"
        else:
            remedy = "let bot(runner_args) build a pipeline and run it with a WorkerRunner"
        return CallEnding(Reason.CRASHED, f"{what}: {remedy}.")

    # What Pipecat's hooks call.

    def attach_runner(self, runner: WorkerRunner) -> None:
        self._runners.append(runner)
        # The bot, or this runner by now, may have handlers of its own.
        self._take_signals()

    async def attach_worker(self, worker: PipelineWorker) -> None:
        try:
            self._attach_worker(worker)
        except Exception as error:
            # Pipecat would only log it, and the call would go on unobserved.
            self._crash(error)
            raise

    def _attach_worker(self, worker: PipelineWorker) -> None:
        self._tools.add(worker)
        if self._traces is not None:
            trace(worker, self._settings.session_id)
        is_taken = self._pipeline is not None and not self._pipeline.finished.is_set()
        if is_taken or not meets_caller(worker):
            self._other_workers += 1
            attach_beside(worker, self._observers)
            return
        attendance = self._attendance
        pipeline = CallPipeline(
            worker,
            replace(self._settings, goodbye=self._call.goodbye),
            attendance,
            self._hearing,
            self._observers,
            self._note_latency,
        )
        answers = pipeline.answers
        if not attendance.caller_is_here:
            answers.note_presence(is_here=False)
        attendance.on_presence = lambda: answers.note_presence(is_here=attendance.caller_is_here)
        if pipeline.rtvi is not None:
            self._messages.bot_handles_its_own = handles_client_messages(pipeline.rtvi)
        self._pipeline = pipeline
        self._patience.cancel()
        self._is_attached.set()

    # What runs beside the conversation.

    def _helpers(self, controller: ControllerClient | None) -> list[Coroutine[Any, Any, None]]:
        helpers = [self._watch_pipelines(), self._watch_refusals()]
        if controller is not None:
            inbox = InboxReader(controller, self._peer, self._stop)
            helpers += [inbox.run(), self._end_with_launch(controller)]
        if self._peer is not None:
            helpers.append(self._peer.watch())
        return helpers

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Turn a bug in a helper into the call's ending, so that caller and model are still left properly."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a bug may be anything
            self._crash(error)

    def _crash(self, error: BaseException) -> None:
        logger.opt(exception=error).error("a part of the call crashed")
        self._attendance.end(CallEnding.of_bug(error))

    async def _watch_pipelines(self) -> None:
        """Watch the pipeline that meets the caller, and each that takes its place once it has ended."""
        watching: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._is_attached.wait()
                self._is_attached.clear()
                for task in watching:
                    task.cancel()
                if (pipeline := self._pipeline) is not None:
                    watch = PipelineWatch(
                        pipeline, self._outbox, self._attendance, self._settings.idle_seconds
                    )
                    works = [*watch.works(), self._watch_end(pipeline)]
                    watching = [tasks.create_task(self._guard(work)) for work in works]

    async def _watch_end(self, pipeline: CallPipeline) -> None:
        """End the call once the pipeline has ended and none follows, even if the bot does not return."""
        await pipeline.finished.wait()
        await asyncio.sleep(LEAVING_SECONDS)
        self._attendance.end(self._ending_of_return())

    async def _watch_refusals(self) -> None:
        while True:
            await asyncio.sleep(REFUSALS_SECONDS)
            self._record_refusals()

    def _record_refusals(self) -> None:
        for cause, count in self._messages.drain().items():
            self._outbox.record(ClientMessagesRefused(cause=cause, count=count))
        if seconds := self._hearing.drain():
            self._outbox.record(AudioDropped(seconds=seconds))

    def _stop(self, stop: StopMessage) -> None:
        if stop.reason == Reason.BUDGET_SPENT:
            self._attendance.budget_spent()
        else:
            self._attendance.stop()

    async def _end_with_launch(self, controller: ControllerClient) -> None:
        await controller.launch_ended.wait()
        self._attendance.terminate()

    async def _open_channel(self, stack: contextlib.AsyncExitStack) -> ControllerClient | None:
        if self._settings.channel is None:
            return None
        http = await stack.enter_async_context(aiohttp.ClientSession())
        return await stack.enter_async_context(ControllerClient(self._outbox, self._settings.channel, http))

    async def _note_latency(self, seconds: float) -> None:
        self._outbox.record(ResponseLatency(seconds=seconds))
        await self._send({"type": "response_latency", "seconds": round(seconds, 3)})

    async def _send(self, message: Mapping[str, Any]) -> None:
        """Send the caller's page an RTVI server message, if there is a page."""
        if self._pipeline is not None:
            await self._pipeline.send(message)

    async def _report_refusal(self, sentence: str) -> None:
        if self._pipeline is not None and (rtvi := self._pipeline.rtvi) is not None:
            await rtvi.push_transport_message(Error(data=ErrorData(error=sentence, fatal=False)))

    # The end.

    async def _end(self, ending: CallEnding, running: asyncio.Task[None]) -> None:
        logger.info("call ending", reason=str(ending.reason), message=ending.message)
        if ending.reason is Reason.BUDGET_SPENT:
            self._messages.close()
            self._hearing.close()
        if ending.reason is Reason.CALLER_LEFT:
            if (pipeline := self._unfinished_pipeline()) is not None:
                # The bot may then cancel its pipeline at once, and with it what is not yet counted.
                await pipeline.flush()
            await self._meeting.events.deliver_held()
            if await is_done(running, LEAVING_SECONDS):
                return
        if (pipeline := self._unfinished_pipeline()) is not None:
            closing = Closing(ending, self._attendance, pipeline)
            await self._guard(closing.say_goodbye(self._settings.grace_seconds))
            await self._guard(closing.close())
        for runner in self._runners:
            await runner.cancel(ending.message)
        # A bot that runs nothing, because nobody came above all, has nothing from which to learn of the end.
        if self._runners or self._pipeline is not None:
            if await is_done(running, LEAVING_SECONDS):
                return
            logger.warning("the bot does not return, cancelled")
        running.cancel()
        if not await is_done(running, LEAVING_SECONDS):
            logger.warning("the bot does not return, left behind")

    def _unfinished_pipeline(self) -> CallPipeline | None:
        pipeline = self._pipeline
        return None if pipeline is None or pipeline.worker.has_finished() else pipeline


async def hold_call(
    load_bot: Callable[[], Awaitable[BotFile]],
    settings: RunnerSettings,
    outbox: Outbox,
    attendance: Attendance,
    take_signals: Callable[[], None],
    traces: "Traces | None" = None,
    make_observers: MakeObservers = SessionObservers,
) -> CallEnding:
    """Let a bot hold one call, and return how it ended.

    `load_bot` is called once the transport is prepared that the bot imports. For the others see `BotSession`.

    Raises:
        BotError: The call could not begin.
    """
    session = BotSession(settings, outbox, attendance, traces, take_signals, make_observers)
    bot = await load_bot()
    # What stays in memory is frozen, so that no collection walks through it in the middle of a call. In a bot
    # that has waited for its call, most of that was frozen before.
    gc.freeze()
    gc.enable()
    await session.run(bot)
    return attendance.ending.result()
