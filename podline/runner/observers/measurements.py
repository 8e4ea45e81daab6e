"""The events that a bot reports, from Pipecat's observers: tokens, latencies, turns, tools, talk time."""

import time
from collections.abc import Callable
from typing import Final

from pipecat.observers.base_observer import BaseObserver
from pipecat.observers.error_observer import ErrorEvent, ErrorObserver
from pipecat.observers.function_call_observer import (
    FunctionCallEvent,
    FunctionCallEventKind,
    FunctionCallObserver,
)
from pipecat.observers.service_metrics_observer import (
    ServiceLatencyKind,
    ServiceLatencyRecord,
    ServiceMetricsObserver,
    ServiceUsageKind,
    ServiceUsageRecord,
)
from pipecat.observers.speaking_observer import SpeakingObserver, SpeechEvent, SpeechEventKind

from podline.contract.messages import (
    ErrorSeen,
    Event,
    FirstByte,
    Interrupted,
    Talked,
    TokensUsed,
    ToolCalled,
    TurnEnded,
)
from podline.contract.usage import Tokens
from podline.runner.observers.group import ObserverGroup
from podline.runner.observers.model_events import ModelEventObserver
from podline.runner.observers.silences import Silences

RecordEvent = Callable[[Event], None]

_DETECTION_SECONDS: Final = 5.0
"""More than a detector needs to recognize that speech has begun or ended, and its frame to arrive."""

_SETTLED = {
    FunctionCallEventKind.COMPLETED,
    FunctionCallEventKind.FAILED,
    FunctionCallEventKind.TIMED_OUT,
    FunctionCallEventKind.CANCELLED,
}


def observers(
    record: RecordEvent, answers: BaseObserver, caller_is_here: Callable[[], bool]
) -> list[BaseObserver]:
    """Return the observers that a pipeline worker needs.

    Args:
        record: Takes each event as it happens.
        answers: Follows the answers that are owed.
        caller_is_here: Returns False while silence means nothing.
    """
    each = (
        _service_metrics(record),
        answers,
        _tool_calls(record),
        _speech(record, Silences(record, caller_is_here)),
        _errors(record),
        ModelEventObserver(record),
    )
    return [ObserverGroup(each)]


def _service_metrics(record: RecordEvent) -> BaseObserver:
    observer = ServiceMetricsObserver()

    @observer.event_handler("on_service_usage")
    async def on_service_usage(_observer: BaseObserver, usage: ServiceUsageRecord) -> None:
        if usage.kind is ServiceUsageKind.LLM:
            record(TokensUsed(model=_model(usage.model), tokens=tokens(usage)))

    @observer.event_handler("on_service_latency")
    async def on_service_latency(_observer: BaseObserver, latency: ServiceLatencyRecord) -> None:
        if latency.kind is ServiceLatencyKind.TTFB:
            record(FirstByte(model=_model(latency.model), seconds=max(0.0, latency.seconds)))

    return observer


def tokens(usage: ServiceUsageRecord) -> Tokens:
    """Return the counts of one record; a count that the service leaves out is zero."""
    return Tokens(
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        input_audio_tokens=usage.input_audio_tokens or 0,
        output_audio_tokens=usage.output_audio_tokens or 0,
        cache_read_input_tokens=usage.cache_read_input_tokens or 0,
        cache_read_input_audio_tokens=usage.cache_read_input_audio_tokens or 0,
        reasoning_tokens=usage.reasoning_tokens or 0,
    )


def _tool_calls(record: RecordEvent) -> BaseObserver:
    observer = FunctionCallObserver(include_arguments=False, include_results=True, time_source=time.monotonic)

    @observer.event_handler("on_function_call_event")
    async def on_function_call_event(_observer: BaseObserver, call: FunctionCallEvent) -> None:
        if call.kind in _SETTLED:
            record(tool_called(call))

    return observer


def tool_called(call: FunctionCallEvent) -> ToolCalled:
    """Return the event of a settled call: `ok` if its handler returned a result without an error."""
    is_error = call.kind is not FunctionCallEventKind.COMPLETED or (
        isinstance(call.result, dict) and "error" in call.result
    )
    began = call.in_progress_at or call.timestamp
    return ToolCalled(
        name=call.function_name[:128] or "unnamed",
        outcome="error" if is_error else "ok",
        seconds=max(0.0, call.timestamp - began),
    )


def _speech(record: RecordEvent, silences: Silences) -> BaseObserver:
    observer = SpeakingObserver(time_source=time.monotonic)
    bot_is_speaking = False
    caller_began: float | None = None

    @observer.event_handler("on_speech_event")
    async def on_speech_event(_observer: BaseObserver, moment: SpeechEvent) -> None:
        nonlocal bot_is_speaking, caller_began
        match moment.kind:
            case SpeechEventKind.USER_TURN_STARTED if bot_is_speaking:
                record(Interrupted())
            case SpeechEventKind.USER_TURN_STOPPED:
                record(TurnEnded())
            case SpeechEventKind.USER_SPEECH_STARTED:
                silences.began("caller")
                caller_began = time.monotonic() - _heard_ago(moment)
            case SpeechEventKind.USER_SPEECH_STOPPED:
                ago = _heard_ago(moment)
                silences.stopped("caller", ago)
                record(Talked(side="caller", seconds=_between(caller_began, time.monotonic() - ago)))
                caller_began = None
            case SpeechEventKind.BOT_SPEECH_STARTED:
                bot_is_speaking = True
                silences.began("bot")
            case SpeechEventKind.BOT_SPEECH_STOPPED:
                bot_is_speaking = False
                silences.stopped("bot", time.monotonic() - moment.timestamp)
                record(Talked(side="bot", seconds=_between(moment.started_at, moment.timestamp)))

    return observer


def _heard_ago(moment: SpeechEvent) -> float:
    """Return how long ago the caller began or ceased to speak, by a moment on the wall clock.

    The detector's frame has just come, so the clock has been set in between if the difference is large.
    """
    ago = time.time() - moment.timestamp  # noqa: TID251 - the moment is on that clock
    return ago if 0.0 <= ago <= _DETECTION_SECONDS else 0.0


def _between(began: float | None, ended: float) -> float:
    """Return the seconds between two moments; none if nobody saw the first one."""
    return 0.0 if began is None else max(0.0, ended - began)


def _errors(record: RecordEvent) -> BaseObserver:
    observer = ErrorObserver()

    @observer.event_handler("on_error")
    async def on_error(_observer: BaseObserver, error: ErrorEvent) -> None:
        record(ErrorSeen(kind=error.category.value))

    return observer


def _model(name: str | None) -> str:
    """Return the model's name as in prices and records, without the API's prefix."""
    return (name or "unknown").removeprefix("models/")[:128]
