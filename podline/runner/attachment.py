"""The session's attachment to a bot's pipeline worker: what it sees, and how it sets it up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from loguru import logger
from pipecat.frames.frames import ErrorFrame, InputAudioRawFrame
from pipecat.observers.base_observer import BaseObserver, FrameProcessed
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport

from podline.runner.room.hearing import Hearing

SOMETHING_FAILED: Final = "Something went wrong at the assistant's end. If it stays silent, call again."

_MONITOR_SECONDS: Final = 3600.0
"""Pipecat's own monitor only warns of late heartbeats, and those behind speech are late as well."""
_DEFAULT_IDLE_SECONDS: Final = 300.0
"""Pipecat's own idle timeout, which a bot gets that sets none. The runner has one for every bot."""

_OWN_MESSAGE: Final = "on_client_message"
_READY: Final = "on_client_ready"

Kind = TypeVar("Kind", bound=FrameProcessor)


def every_processor(processor: FrameProcessor) -> Iterator[FrameProcessor]:
    """Yield all processors of a pipeline, with those of pipelines in it."""
    for each in processor.processors:
        yield from every_processor(each)
        yield each


def first_of(worker: PipelineWorker, kind: type[Kind]) -> Kind | None:
    """Return the first processor of this kind in the worker's pipeline."""
    return next((each for each in every_processor(worker.pipeline) if isinstance(each, kind)), None)


def rtvi_of(worker: PipelineWorker) -> RTVIProcessor | None:
    """Return what talks to the caller's page, unless the bot has switched it off."""
    rtvi: RTVIProcessor | None = worker._rtvi  # noqa: SLF001 - the property raises without one
    return rtvi


def meets_caller(worker: PipelineWorker) -> bool:
    """Return whether this worker's pipeline has the caller's room at its ends."""
    return first_of(worker, BaseOutputTransport) is not None


def set_up(worker: PipelineWorker) -> None:
    """Have the worker measure what it does, beat, and leave idle time to the runner unless it has its own.

    It takes the settings from `worker.params` when it sets its processors up, which comes next.
    """
    params = worker.params
    if not (params.enable_metrics and params.enable_usage_metrics):
        logger.warning("the bot's metrics are off, turned on")
    params.enable_metrics = params.enable_usage_metrics = True
    params.send_initial_empty_metrics = False
    # `podline.runner.health` follows them.
    params.enable_heartbeats = True
    params.heartbeats_monitor_secs = _MONITOR_SECONDS
    if worker._idle_timeout_secs == _DEFAULT_IDLE_SECONDS:  # noqa: SLF001 - Pipecat has no other way
        worker._idle_timeout_secs = None  # noqa: SLF001 - likewise


def end_when_idle(worker: PipelineWorker, end: Callable[[float], None]) -> None:
    """Have a worker that would cancel itself after some idle seconds call `end` with them instead."""
    seconds = worker._idle_timeout_secs  # noqa: SLF001 - Pipecat has no other way
    if seconds and worker._cancel_on_idle_timeout:  # noqa: SLF001 - likewise
        worker._cancel_on_idle_timeout = False  # noqa: SLF001 - likewise
        worker.add_event_handler("on_idle_timeout", lambda *_: end(seconds))


def trace(worker: PipelineWorker, session_id: str) -> None:
    """Have the worker make spans, as a bot does with `enable_tracing=True`."""
    from pipecat.observers.user_bot_latency_observer import UserBotLatencyObserver  # noqa: PLC0415
    from pipecat.utils.tracing.tracing_context import TracingContext  # noqa: PLC0415
    from pipecat.utils.tracing.turn_trace_observer import TurnTraceObserver  # noqa: PLC0415

    turns = worker.turn_tracking_observer
    if turns is None or worker._enable_tracing:  # noqa: SLF001 - Pipecat takes it in the constructor only
        return
    latency, context = UserBotLatencyObserver(), TracingContext()
    spans = TurnTraceObserver(
        turns, latency_tracker=latency, conversation_id=session_id, tracing_context=context
    )
    worker._enable_tracing = True  # noqa: SLF001 - likewise
    worker._tracing_context = context  # noqa: SLF001 - likewise
    worker._turn_trace_observer = spans  # noqa: SLF001 - likewise
    observe(worker, latency, spans)


def observe(worker: PipelineWorker, *observers: BaseObserver) -> None:
    """Have these see each frame of the worker's pipeline."""
    for each in observers:
        worker.add_observer(each)


def spare_observers(worker: PipelineWorker) -> None:
    """Queue that a frame was processed only for observers that look at it. Few do, and all were woken."""
    observer = worker._observer  # noqa: SLF001 - Pipecat has no other way

    async def on_process_frame(data: FrameProcessed) -> None:
        for proxy in (observer._proxies or {}).values():  # noqa: SLF001 - likewise
            looks = proxy.observer.on_process_frame
            if getattr(looks, "__func__", looks) is not BaseObserver.on_process_frame:
                await proxy.queue.put(data)

    observer.on_process_frame = on_process_frame  # type: ignore[method-assign]  # likewise


def limit_hearing(microphone: BaseInputTransport, hearing: Hearing) -> None:
    """Let a pipeline hear no more audio than real time allows, and silence once the hearing is closed."""
    if "push_audio_frame" in vars(microphone):
        # A second pipeline with the same room.
        return
    push = microphone.push_audio_frame

    async def push_admitted(frame: InputAudioRawFrame) -> None:
        if hearing.admits(frame.num_frames, frame.sample_rate):
            if hearing.is_closed:
                # Without any audio, a turn that has begun would never end.
                frame.audio = bytes(len(frame.audio))
            await push(frame)

    microphone.push_audio_frame = push_admitted  # type: ignore[method-assign]  # Pipecat made it


def keep_discreet(rtvi: RTVIProcessor) -> None:
    """Have the caller's page learn that something failed, but not what: an error's text may be anything."""
    send = rtvi._send_error_frame  # noqa: SLF001 - Pipecat has no other way

    async def send_discreetly(frame: ErrorFrame) -> None:
        await send(ErrorFrame(error=SOMETHING_FAILED, processor=frame.processor))

    rtvi._send_error_frame = send_discreetly  # type: ignore[method-assign]  # noqa: SLF001 - likewise


def handles_client_messages(rtvi: RTVIProcessor) -> bool:
    """Return whether the bot has a handler for what its own page sends besides texts."""
    return bool(rtvi._event_handlers[_OWN_MESSAGE].handlers)  # noqa: SLF001 - Pipecat has no other way


def announce_client_once(rtvi: RTVIProcessor) -> None:
    """Have the bot learn only once that its caller's page is ready. It greets then, and a page may return."""
    call = rtvi._call_event_handler  # noqa: SLF001 - Pipecat has no other way
    was_announced = False

    async def call_once(event_name: str, *args: Any, **kwargs: Any) -> None:
        nonlocal was_announced
        if event_name != _READY:
            await call(event_name, *args, **kwargs)
        elif was_announced:
            await rtvi.set_bot_ready()
        else:
            was_announced = True
            await call(event_name, *args, **kwargs)

    rtvi._call_event_handler = call_once  # type: ignore[method-assign]  # noqa: SLF001 - likewise


class KnownTools:
    """The names of a session's tools: its models' functions, also those that they learn of later."""

    def __init__(self) -> None:
        self._models: list[LLMService[Any]] = []

    def add(self, worker: PipelineWorker) -> None:
        """Know the tools of this worker's models."""
        self._models += [each for each in every_processor(worker.pipeline) if isinstance(each, LLMService)]

    def __contains__(self, name: object) -> bool:
        return any(name in model._functions for model in self._models)  # noqa: SLF001 - it has no list
