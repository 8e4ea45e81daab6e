"""The events that a bot reports, from Pipecat's observers: usage, latencies, turns, tools, talk time."""

import time
import weakref
from collections.abc import Callable
from typing import Final

from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    MetricsFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.observers.error_observer import ErrorEvent, ErrorObserver
from pipecat.observers.function_call_observer import (
    FunctionCallEvent,
    FunctionCallEventKind,
    FunctionCallObserver,
)
from pipecat.observers.speaking_observer import SpeakingObserver, SpeechEvent, SpeechEventKind
from pipecat.utils.asyncio.task_manager import BaseTaskManager

from podline.contract.messages import ErrorSeen, Event, Interrupted, Talked, ToolCalled, TurnEnded
from podline.runner.observers.group import ObserverGroup
from podline.runner.observers.model_events import ModelEventObserver
from podline.runner.observers.services import ServiceObserver
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


_FROM_SERVICES: Final = (
    MetricsFrame,
    ErrorFrame,
    FunctionCallsStartedFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    FunctionCallCancelFrame,
)


class SessionObservers:
    """Makes the observers of a session's pipeline workers, which count each thing once between them.

    A bot may have several workers, and a frame that crosses the bus from one to another is seen in both.

    Attributes:
        record: Takes each event as it happens.
    """

    def __init__(self, record: RecordEvent, caller_is_here: Callable[[], bool]) -> None:
        """Make observers for one session.

        Args:
            record: Takes each event as it happens.
            caller_is_here: Returns False while silence means nothing.
        """
        self.record = record
        self._caller_is_here = caller_is_here
        self._services = (ServiceObserver(record), _tool_calls(record), _errors(record))
        self._seen: weakref.WeakValueDictionary[int, Frame] = weakref.WeakValueDictionary()

    def of_services(self) -> list[BaseObserver]:
        """Return the observers of what a worker's services do: usage, first bytes, tool calls, errors."""
        return [_EachFrameOnce(self._services, self._seen)]

    def of_call(self, *others: BaseObserver) -> list[BaseObserver]:
        """Return the observers of the worker with the caller's transport: of its services and of the call.

        Args:
            others: See the same frames.
        """
        each = (
            *self.of_services(),
            *others,
            _speech(self.record, Silences(self.record, self._caller_is_here)),
            ModelEventObserver(self.record),
        )
        return [ObserverGroup(each)]


class _EachFrameOnce(BaseObserver):
    """Passes frames that services send to observers that several workers share, each frame once."""

    def __init__(
        self, observers: tuple[BaseObserver, ...], seen: weakref.WeakValueDictionary[int, Frame]
    ) -> None:
        """Share observers.

        Args:
            observers: See the frames of all workers.
            seen: The frames that they have seen, by id. It forgets those that are gone.
        """
        super().__init__()
        self._observers = observers
        self._seen = seen

    @property
    def observe_every_push(self) -> bool:
        return False

    async def setup(self, task_manager: BaseTaskManager) -> None:
        await super().setup(task_manager)
        for each in self._observers:
            await each.setup(task_manager)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]  # theirs has no annotation
        for each in self._observers:
            await each.cleanup()

    async def on_push_frame(self, data: FramePushed) -> None:
        frame = data.frame
        if isinstance(frame, _FROM_SERVICES) and frame.id not in self._seen:
            self._seen[frame.id] = frame
            for each in self._observers:
                await each.on_push_frame(data)


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
