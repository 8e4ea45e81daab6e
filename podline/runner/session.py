"""One call from beginning to end: meet, greet, converse, say goodbye, leave."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from loguru import logger
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import ErrorFrame, InputTextRawFrame, LLMRunFrame
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from bot.persona import Persona, farewell_request, greeting_request, warning_request
from bot.store import Store
from bot.tools.ending import end_call_tool
from bot.tools.products import ProductTools
from podline.contract.messages import (
    AudioDropped,
    ClientMessagesRefused,
    ModelReconnected,
    StopMessage,
    TurnEnded,
)
from podline.contract.reasons import TERMINATED, Phase, Reason
from podline.gemini.service import gemini_live
from podline.runner.attendance import UNHURRIED_SECONDS, Attendance, Ending
from podline.runner.channel.client import ControllerClient
from podline.runner.channel.inbox import InboxReader
from podline.runner.channel.outbox import Outbox
from podline.runner.observers.measurements import Record, observers
from podline.runner.observers.transcript import Transcript
from podline.runner.observers.voice import VoiceObserver
from podline.runner.pipeline import DiscreetRTVI, Heard, conversation
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.hearing import Hearing
from podline.runner.room.peer import Peer
from podline.runner.room.transports import room_transport
from podline.runner.settings import Settings

if TYPE_CHECKING:
    from podline.runner.observers.spans import Traces

TOOL_TIMEOUT_SECONDS: Final = 10.0
SENTENCE_SECONDS: Final = 6.0
"""How long what the bot is saying may go on once the call has to end."""
GOODBYE_SECONDS: Final = 8.0
"""How long a goodbye may take, from asking the model for it to its last sound."""
ANSWER_SECONDS: Final = 4.0
"""How long of that to wait for its first sound."""
FLUSH_SECONDS: Final = 0.5
"""How long the last message to the caller's page may take on its way through the pipeline."""
LEAVING_SECONDS: Final = 2.0
"""Kept back from the grace period for closing the pipeline and for the last report."""

REFUSALS_SECONDS: Final = 2.0
"""How often what was refused of the caller's client is recorded: an event for each would push out others."""

FAILED: Final = "Something went wrong on our side. Please call again."
"""What a caller is told of a call that failed."""
UNCAUGHT: Final = ("Error processing frame", "Uncaught exception")
"""How Pipecat begins the report of a processor that raised: pipecat/processors/frame_processor.py."""


class Call:
    """The parts of one call, put together and held until the call has ended."""

    def __init__(
        self,
        settings: Settings,
        persona: Persona,
        ledger: Outbox,
        attendance: Attendance,
        traces: "Traces | None" = None,
    ) -> None:
        self._settings = settings
        self._traces = traces
        self._persona = persona
        self._ledger = ledger
        self._attendance = attendance
        self._voice = VoiceObserver()
        self._rtvi = DiscreetRTVI()
        self._messages = ClientMessages(time.monotonic, self._rtvi.report_refusal)
        self._hearing = Hearing(time.monotonic)
        self._peer: Peer | None = None
        self._worker: PipelineWorker

    async def hold(self) -> Ending:
        """Hold the call and say how it ended.

        Raises:
            BotError: The call could not begin.
        """
        settings = self._settings
        async with contextlib.AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            store = Store(http, settings.convex_url, settings.convex_token)
            transcript = await stack.enter_async_context(
                Transcript(store, settings.session_id, settings.user_id)
            )
            controller: ControllerClient | None = None
            if settings.channel is not None:
                controller = await stack.enter_async_context(
                    ControllerClient(self._ledger, settings.channel, http)
                )
            tools = await stack.enter_async_context(ProductTools(store, settings.user_id, self._announce))
            self._worker = self._build([*tools.functions, end_call_tool(self._goodbye)], transcript)
            if self._peer is not None:
                stack.push_async_callback(self._peer.close)
            return await self._converse(controller)

    async def _converse(self, controller: ControllerClient | None) -> Ending:
        async with asyncio.TaskGroup() as tasks:
            pipeline = tasks.create_task(self._run_pipeline(), name="pipeline")
            helpers = [tasks.create_task(self._crash_ends_call(work)) for work in self._helpers(controller)]
            ending = await self._attendance.ending
            logger.info("call ending", reason=str(ending.reason), message=ending.message)
            if ending.reason is Reason.BUDGET_SPENT:
                self._messages.close()
                self._hearing.close()
            if self._attendance.caller_is_here and ending.goodbye != "none":
                await _first_of(self._say_goodbye(ending), self._attendance.caller_gone.wait())
            await self._leave(ending, pipeline)
            for helper in helpers:
                helper.cancel()
        self._record_refusals()
        return ending

    def _helpers(self, controller: ControllerClient | None) -> list[Coroutine[Any, Any, None]]:
        helpers = [self._greet(), self._warn(), self._watch_refusals()]
        if controller is not None:
            inbox = InboxReader(controller, self._peer, self._obey)
            helpers += [inbox.run(), self._heed_end_of_launch(controller)]
        if self._peer is not None:
            helpers.append(self._peer.watch())
        return helpers

    async def _crash_ends_call(self, work: Coroutine[Any, Any, None]) -> None:
        """Turn a bug in a helper into the call's end, so that the caller and the model are left in order."""
        try:
            await work
        except Exception as caught:  # noqa: BLE001 - a bug may be anything
            error = caught
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            logger.opt(exception=error).error("a part of the call crashed")
            self._attendance.end(Ending.of_bug(error))

    async def _greet(self) -> None:
        await self._attendance.caller_came.wait()
        await self._worker.queue_frame(LLMRunFrame())
        await self._voice.speaking.wait()
        self._ledger.mark("first_speech")

    async def _warn(self) -> None:
        """Tell the caller that the time is nearly up, as soon as the bot is quiet."""
        await self._attendance.time_is_short.wait()
        await self._voice.quiet.wait()
        if self._attendance.caller_is_here:
            warning = warning_request(self._attendance.warning_seconds)
            await self._worker.queue_frame(InputTextRawFrame(warning))

    async def _watch_refusals(self) -> None:
        while True:
            await asyncio.sleep(REFUSALS_SECONDS)
            self._record_refusals()

    def _record_refusals(self) -> None:
        for cause, count in self._messages.drain().items():
            self._ledger.record(ClientMessagesRefused(cause=cause, count=count))
        if seconds := self._hearing.drain():
            self._ledger.record(AudioDropped(seconds=seconds))

    def _obey(self, stop: StopMessage) -> None:
        if stop.reason == Reason.BUDGET_SPENT:
            self._attendance.budget_spent()
        else:
            self._attendance.stop()

    async def _heed_end_of_launch(self, controller: ControllerClient) -> None:
        await controller.launch_ended.wait()
        self._attendance.terminate()

    async def _run_pipeline(self) -> None:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        await runner.run()
        self._attendance.end(Ending(Reason.CRASHED, "The pipeline ended by itself; see the bot's log."))

    async def _say_goodbye(self, ending: Ending) -> None:
        """Let the sentence be finished, then hear the goodbye out, as far as the grace period allows."""
        whole = self._settings.grace_seconds if ending.is_ordered else UNHURRIED_SECONDS
        within = whole - LEAVING_SECONDS
        await _wait(self._voice.quiet, min(SENTENCE_SECONDS, max(0.0, within)))
        if within < SENTENCE_SECONDS + GOODBYE_SECONDS:
            return
        if ending.goodbye == "ask":
            self._voice.speaking.clear()
            await self._worker.queue_frame(InputTextRawFrame(farewell_request(self._persona)))
        await _wait(self._voice.speaking, ANSWER_SECONDS)
        await _wait(self._voice.quiet, GOODBYE_SECONDS - ANSWER_SECONDS)

    async def _leave(self, ending: Ending, pipeline: asyncio.Task[None]) -> None:
        """Close the pipeline: by its end where somebody listens, else at once."""
        if self._attendance.caller_is_here:
            # Who sent the signal is the controller's to know: for the caller the call was stopped.
            reason = Reason.STOPPED if ending.reason == TERMINATED else Reason(ending.reason)
            # What failed is the operator's to know and to mend.
            message = FAILED if reason.phase is Phase.FAILED else ending.message
            await self._announce({"type": "call_ended", "reason": reason, "message": message})
        if ending.goodbye != "none" and self._voice.quiet.is_set():
            await self._worker.stop_when_done()
        else:
            await self._worker.flush_pipeline(FLUSH_SECONDS)
            await self._worker.cancel()
        done, _ = await asyncio.wait([pipeline], timeout=LEAVING_SECONDS)
        if not done:
            await self._worker.cancel()

    async def _announce(self, data: dict[str, Any]) -> None:
        """Tell the caller's page something, as an RTVI server message."""
        await self._worker.rtvi.send_server_message(data)

    async def _tell_latency(self, seconds: float) -> None:
        await self._announce({"type": "response_latency", "seconds": round(seconds, 3)})

    def _observers(self, tools: list[FunctionSchema]) -> list[BaseObserver]:
        record: Record = self._ledger.record
        if self._traces is not None:
            record = self._traces.noting(record, [tool.name for tool in tools])
        return observers(record, self._tell_latency, lambda: self._attendance.caller_is_here)

    async def _goodbye(self) -> None:
        self._attendance.bot_says_goodbye()

    def _on_typed(self, transcript: Transcript) -> Callable[[str], None]:
        def on_typed(text: str) -> None:
            transcript.add("user", text)
            self._ledger.record(TurnEnded())

        return on_typed

    def _build(self, tools: list[FunctionSchema], transcript: Transcript) -> PipelineWorker:
        settings = self._settings
        attendance = self._attendance
        model = gemini_live(
            api_key=settings.google_api_key,
            persona=self._persona,
            tools=tools,
            tool_timeout_seconds=TOOL_TIMEOUT_SECONDS,
            on_lost=lambda error: attendance.end(Ending.of(error)),
            on_reconnected=lambda: self._ledger.record(ModelReconnected()),
        )
        if settings.room is None:
            self._peer = Peer(
                attendance,
                self._messages,
                settings.ice_servers,
                refuse_private_candidates=settings.refuse_private_candidates,
            )
            transport = self._peer.transport
        else:
            transport = room_transport(settings.room, attendance, self._messages)
        worker = conversation(
            transport=transport,
            model=model,
            hearing=self._hearing,
            first_request=greeting_request(self._persona),
            stop_secs=settings.stop_secs,
            idle_seconds=settings.idle_seconds,
            heard=Heard(
                on_turn=transcript.add,
                on_typed=self._on_typed(transcript),
                observers=[self._voice, *self._observers(tools)],
            ),
            rtvi=self._rtvi,
            traced_as=None if self._traces is None else settings.session_id,
        )

        @worker.event_handler("on_pipeline_started")
        async def on_pipeline_started(_worker: PipelineWorker, _frame: Any) -> None:
            if settings.room is None:
                attendance.joined()

        @worker.event_handler("on_pipeline_error")
        async def on_pipeline_error(_worker: PipelineWorker, frame: ErrorFrame) -> None:
            # Pipecat would go on without what the processor had to do: the bot would be mute, or deaf.
            # Without memory, whatever comes next fails as well.
            error = frame.exception
            if error is not None and (frame.error.startswith(UNCAUGHT) or isinstance(error, MemoryError)):
                attendance.end(Ending.of_bug(error))

        @worker.event_handler("on_idle_timeout")
        async def on_idle_timeout(_worker: PipelineWorker) -> None:
            attendance.fell_silent(settings.idle_seconds)

        return worker


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most this long."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def _first_of(*works: Coroutine[Any, Any, Any]) -> None:
    """Do all of these until one is done, and give the others up."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(work) for work in works]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
