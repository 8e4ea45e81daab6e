"""One call for one bot: join, converse, end."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from loguru import logger
from pipecat.frames.frames import Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from podline.contract.messages import (
    AudioDropped,
    ClientMessagesRefused,
    ResponseLatency,
    StopMessage,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.reasons import Reason
from podline.errors import BotError
from podline.runner.attendance import Attendance
from podline.runner.channel.client import ControllerClient
from podline.runner.channel.inbox import InboxReader
from podline.runner.channel.outbox import Outbox
from podline.runner.closing import Closing
from podline.runner.ending import PIPELINE_ENDED, CallEnding
from podline.runner.health.watch import PipelineHealth
from podline.runner.mute import MuteWatch
from podline.runner.observers.answers import AnswerObserver, transcribes
from podline.runner.observers.measurements import SessionObservers
from podline.runner.observers.model_events import log_model_event
from podline.runner.observers.voice import VoiceObserver
from podline.runner.pipeline import CallerInput, DiscreetRTVI, call_worker
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.hearing import Hearing
from podline.runner.room.transports import import_transport
from podline.runner.settings import RunnerSettings

if TYPE_CHECKING:
    from podline.runner.observers.spans import Traces

REFUSALS_SECONDS: Final = 2.0
"""How often refused client messages are recorded: an event for each would crowd out others."""


@dataclass(frozen=True)
class Cues:
    """Frames that make a bot speak when only the runner knows that it should.

    A realtime model is asked with an `InputTextRawFrame`; a text-to-speech service speaks a `TTSSpeakFrame`.

    Attributes:
        greeting: Queued when the caller has joined.
        warning: Called with the seconds left; its frame is queued when the time limit is near.
        farewell: Queued when the call is about to end for a reason that the bot doesn't know.
        repetition: Queued when a lost caller returns and the bot spoke in their absence.
    """

    greeting: Frame
    warning: Callable[[float], Frame]
    farewell: Frame
    repetition: Frame | None = None


class BotSession:
    """One call, as the runner gives it to a bot. The bot reports to it.

    Attributes:
        session_id: The session's id.
        user_id: Who is calling.
        transport: The caller's room; its input and output are the ends of the bot's pipeline.
        caller_input: Goes right after the transport's input in the pipeline: it limits what the caller sends.
        mute_seconds: How long a caller who is owed an answer may hear nothing; 0 if the bot may be silent.
    """

    def __init__(
        self,
        settings: RunnerSettings,
        outbox: Outbox,
        attendance: Attendance,
        traces: "Traces | None" = None,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._attendance = attendance
        self._traces = traces
        self._voice = VoiceObserver()
        self._rtvi = DiscreetRTVI()
        self._messages = ClientMessages(time.monotonic, self._rtvi.report_refusal)
        self._hearing = Hearing(time.monotonic)
        self._worker: PipelineWorker
        self._health: PipelineHealth
        self._answers: AnswerObserver
        self.session_id = settings.session_id
        self.user_id = settings.user_id
        self.mute_seconds = settings.mute_seconds
        self.transport, self._peer = import_transport(settings)(attendance, self._messages)
        self.caller_input = CallerInput(self._hearing)
        self.caller_input.add_event_handler("on_typed_text", self._note_typed_text)

    # What the bot calls.

    async def run(self, pipeline: Pipeline, cues: Cues, tools: Collection[str] = ()) -> None:
        """Run the call with the bot's pipeline.

        Return when the call has ended, the pipeline is closed and the last report is sent.

        Args:
            pipeline: From the transport's input to its output.
            cues: The frames that make the bot speak.
            tools: Names of the model's tools.
        """
        self._build_worker(pipeline, tools)
        async with contextlib.AsyncExitStack() as stack:
            controller = await self._open_channel(stack)
            if self._peer is not None:
                stack.push_async_callback(self._peer.close)
            # Not one of the group's tasks, which would wait for a pipeline that does not close.
            running = asyncio.create_task(self._guard(self._run_worker()), name="pipeline")
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._guard(work)) for work in self._helpers(cues, controller)]
                await self._end(await self._ending(running), running, cues)
                for helper in helpers:
                    helper.cancel()
            self._record_refusals()

    async def send(self, message: dict[str, Any]) -> None:
        """Send the caller's page an RTVI server message."""
        await self._worker.rtvi.send_server_message(message)

    def complete(self) -> None:
        """End the call as completed, after the goodbye that the bot is about to say."""
        self._attendance.complete()

    def fail(self, error: BotError) -> None:
        """End the call because of an error that it can't continue with."""
        self._attendance.end(CallEnding.of(error))

    # The parts of a call.

    def _build_worker(self, pipeline: Pipeline, tools: Collection[str]) -> None:
        settings, attendance = self._settings, self._attendance
        record = (
            self._outbox.record if self._traces is None else self._traces.noting(self._outbox.record, tools)
        )
        self._answers = AnswerObserver(
            MuteWatch(settings.mute_seconds),
            self.transport.output(),
            asyncio.get_running_loop().time,
            self._note_latency,
            transcribes=transcribes(pipeline),
        )
        attendance.on_presence = lambda: self._answers.note_presence(is_here=attendance.caller_is_here)
        observers = SessionObservers(record, lambda: attendance.caller_is_here)
        self._worker = call_worker(
            pipeline,
            observers=[self._voice, *observers.of_call(self._answers)],
            idle_seconds=settings.idle_seconds,
            rtvi=self._rtvi,
            traced_as=None if self._traces is None else settings.session_id,
        )
        self._health = PipelineHealth(self._worker, attendance, settings.mute_seconds)

        @self._worker.event_handler("on_pipeline_started")
        async def on_pipeline_started(_worker: PipelineWorker, _frame: Any) -> None:
            if self._peer is not None:
                attendance.joined()

        @self._worker.event_handler("on_idle_timeout")
        async def on_idle_timeout(_worker: PipelineWorker) -> None:
            attendance.fell_silent(settings.idle_seconds)

    async def _open_channel(self, stack: contextlib.AsyncExitStack) -> ControllerClient | None:
        if self._settings.channel is None:
            return None
        http = await stack.enter_async_context(aiohttp.ClientSession())
        return await stack.enter_async_context(ControllerClient(self._outbox, self._settings.channel, http))

    async def _run_worker(self) -> None:
        runner = WorkerRunner(handle_sigint=False, task_manager=self._health.tasks)
        await runner.add_workers(self._worker)
        await runner.run()
        self._attendance.end(PIPELINE_ENDED)

    async def _ending(self, running: asyncio.Task[None]) -> CallEnding:
        """Wait for the ending; if the bot cancels the call instead, close the pipeline first."""
        try:
            return await asyncio.shield(self._attendance.ending)
        except asyncio.CancelledError:
            cancelled = CallEnding(
                Reason.CRASHED, "The bot's own code cancelled the call; see the bot's log."
            )
            self._attendance.end(cancelled)
            await self._closing(cancelled).close(running)
            raise

    def _closing(self, ending: CallEnding) -> Closing:
        return Closing(ending, self._attendance, self._worker, self._health, self._voice)

    async def _end(self, ending: CallEnding, running: asyncio.Task[None], cues: Cues) -> None:
        logger.info("call ending", reason=str(ending.reason), message=ending.message)
        if ending.reason is Reason.BUDGET_SPENT:
            self._messages.close()
            self._hearing.close()
        closing = self._closing(ending)
        await self._guard(closing.say_goodbye(cues.farewell, self._settings.grace_seconds))
        await self._guard(closing.close(running))

    # What runs beside the conversation.

    def _helpers(self, cues: Cues, controller: ControllerClient | None) -> list[Coroutine[Any, Any, None]]:
        helpers = [
            self._greet(cues.greeting),
            self._warn(cues.warning),
            self._watch_answers(),
            self._watch_refusals(),
            self._health.run(),
        ]
        if cues.repetition is not None:
            helpers.append(self._repeat(cues.repetition))
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
        except Exception as caught:  # noqa: BLE001 - a bug may be anything
            error = caught
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            logger.opt(exception=error).error("a part of the call crashed")
            self._attendance.end(CallEnding.of_bug(error))

    async def _greet(self, greeting: Frame) -> None:
        await self._attendance.caller_came.wait()
        await self._answers.owe()
        await self._worker.queue_frame(greeting)
        heard_at = await self._answers.first_sound
        self._outbox.mark("first_speech", asyncio.get_running_loop().time() - heard_at)

    async def _warn(self, warning: Callable[[float], Frame]) -> None:
        """Warn the caller that time is nearly up, as soon as the bot is quiet."""
        await self._attendance.time_is_short.wait()
        await self._voice.quiet.wait()
        if self._attendance.caller_is_here:
            await self._worker.queue_frame(warning(self._attendance.warning_seconds))

    async def _repeat(self, repetition: Frame) -> None:
        """Have the bot repeat what a lost caller missed."""
        while True:
            await self._answers.missed.wait()
            self._answers.missed.clear()
            await self._answers.owe()
            await self._worker.queue_frame(repetition)

    async def _watch_answers(self) -> None:
        """End the call once the caller has waited in vain for an answer. An ending call may be silent."""
        unanswered = await self._answers.unanswered()
        if self._attendance.ending.done():
            return
        if not unanswered.is_reported:
            event = TurnUnanswered(cause=unanswered.cause)
            self._outbox.record(event)
            log_model_event(event)
        self._attendance.end(self._health.ending_of_silence() or CallEnding.of(unanswered.error))

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

    async def _note_typed_text(self, _input: CallerInput, _text: str) -> None:
        self._outbox.record(TurnEnded())
        await self._answers.owe()

    async def _note_latency(self, seconds: float) -> None:
        self._outbox.record(ResponseLatency(seconds=seconds))
        await self.send({"type": "response_latency", "seconds": round(seconds, 3)})


Bot = Callable[[BotSession], Awaitable[None]]
"""A bot's entry point: `async def bot(session)`."""


async def hold_call(
    bot: Bot,
    settings: RunnerSettings,
    outbox: Outbox,
    attendance: Attendance,
    traces: "Traces | None" = None,
) -> CallEnding:
    """Let the bot run one call, and return how it ended.

    Raises:
        BotError: The call could not begin.
    """
    await bot(BotSession(settings, outbox, attendance, traces))
    if not attendance.ending.done():
        unheld = "The bot returned without running the call: its bot() must await session.run(...)."
        attendance.end(CallEnding(Reason.CRASHED, unheld))
    return attendance.ending.result()
