"""What Pipecat observes becomes events that can be counted."""

import asyncio
import time
from collections.abc import Callable

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    MetricsFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import TTSUsageMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.observers.function_call_observer import FunctionCallEvent, FunctionCallEventKind
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from podline.contract.messages import (
    AnswerRequested,
    ErrorSeen,
    Event,
    Interrupted,
    ModelReconnected,
    ModelReseeded,
    Synthesized,
    Talked,
    ToolCalled,
    TurnEnded,
    TurnUnanswered,
)
from podline.frames import ModelEvent, ModelEventFrame
from podline.runner.mute import MuteWatch
from podline.runner.observers.answers import AnswerObserver
from podline.runner.observers.measurements import SessionObservers, _speech, tool_called
from podline.runner.observers.silences import Silences

PATIENCE_SECONDS = 20


async def events_of(*frames: Frame) -> list[Event]:
    """What is recorded while these frames pass."""
    events: list[Event] = []

    async def ignore(_seconds: float) -> None: ...

    clock = asyncio.get_running_loop().time
    answers = AnswerObserver(MuteWatch(8.0), IdentityFilter(), clock, ignore, transcribes=False)
    observers = SessionObservers(events.append, lambda: True).of_call(answers)
    await run_test(IdentityFilter(), frames_to_send=frames, observers=observers)
    return events


def call(kind: FunctionCallEventKind, result: object = None) -> FunctionCallEvent:
    return FunctionCallEvent(
        kind=kind,
        function_name="save_product",
        tool_call_id="1",
        timestamp=12.0,
        in_progress_at=10.5,
        result=result,
    )


def metered(characters: int) -> MetricsFrame:
    return MetricsFrame(data=[TTSUsageMetricsData(processor="AcmeTTS#0", model="loud", value=characters)])


def settled_call() -> list[Frame]:
    """A tool call from its beginning to its end, as a service sends it."""
    return [
        FunctionCallInProgressFrame(function_name="search", tool_call_id="1", arguments={}),
        FunctionCallResultFrame(function_name="search", tool_call_id="1", arguments={}, result={}),
    ]


async def test_what_services_measure_is_recorded() -> None:
    assert await events_of(metered(12)) == [Synthesized("loud", 12, "AcmeTTS")]


async def test_of_several_workers_each_frame_is_counted_once_however_many_it_passes() -> None:
    """A frame that crosses the bus is seen in two workers, and by some Pipecats' observers at each hop."""
    events: list[Event] = []
    session = SessionObservers(events.append, lambda: True)
    workers = [*session.of_services(), *session.of_services()]
    frames = [metered(1), metered(2), *settled_call(), ErrorFrame("It broke."), ErrorFrame("It broke.")]
    for frame in frames:
        for observer in (workers[0], workers[0], workers[1]):
            await observe(observer, frame)

    assert [event for event in events if isinstance(event, Synthesized)] == [
        Synthesized("loud", 1, "AcmeTTS"),
        Synthesized("loud", 2, "AcmeTTS"),
    ]
    assert [event.name for event in events if isinstance(event, ToolCalled)] == ["search"]
    assert events.count(ErrorSeen("unknown")) == 2


async def test_a_call_that_one_worker_sees_begin_and_another_sees_end_has_its_duration() -> None:
    events: list[Event] = []
    session = SessionObservers(events.append, lambda: True)
    began, ended = settled_call()
    first, second = *session.of_services(), *session.of_services()
    await observe(first, began)
    await asyncio.sleep(0.01)
    await observe(second, ended)

    [called] = events
    assert isinstance(called, ToolCalled)
    assert called.seconds >= 0.01


async def test_two_sessions_of_one_process_count_apart() -> None:
    events: list[Event] = []
    frame = metered(1)
    for _ in range(2):
        [observer] = SessionObservers(events.append, lambda: True).of_services()
        await observe(observer, frame)

    assert len(events) == 2


async def test_a_turn_is_counted_when_the_caller_has_finished() -> None:
    assert await events_of(UserStartedSpeakingFrame(), UserStoppedSpeakingFrame()) == [TurnEnded()]


async def test_speaking_over_the_bot_is_an_interruption() -> None:
    events = await events_of(BotStartedSpeakingFrame(), UserStartedSpeakingFrame(), BotStoppedSpeakingFrame())

    assert events[0] == Interrupted()
    assert isinstance(events[1], Talked)
    assert events[1].side == "bot"


@pytest.mark.parametrize("seconds", [-3600.0, 3600.0])
@pytest.mark.parametrize(
    ("begins", "ends", "talked"),
    [
        (BotStartedSpeakingFrame, BotStoppedSpeakingFrame, 0.0),
        (
            lambda: VADUserStartedSpeakingFrame(start_secs=4.0, timestamp=time.time()),
            lambda: VADUserStoppedSpeakingFrame(timestamp=time.time()),
            4.0,
        ),
    ],
)
async def test_talk_time_is_right_when_the_wall_clock_is_set_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    begins: Callable[[], Frame],
    ends: Callable[[], Frame],
    talked: float,
) -> None:
    recorded = asyncio.Queue[Event]()
    observer = _speech(recorded.put_nowait, Silences(recorded.put_nowait, lambda: True))
    await observe(observer, begins())

    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)
    await observe(observer, ends())

    async with asyncio.timeout(PATIENCE_SECONDS):
        event = await recorded.get()
    assert isinstance(event, Talked)
    # By as much as a machine may be slow, which is less than any step.
    assert event.seconds == pytest.approx(talked, abs=2.0)
    assert recorded.empty()


async def observe(observer: BaseObserver, frame: Frame) -> None:
    """Let the observer see a frame, and what it does about it happen."""
    processor = IdentityFilter()
    await observer.on_push_frame(FramePushed(processor, processor, frame, FrameDirection.DOWNSTREAM, 0))
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


async def test_speaking_after_the_bot_is_no_interruption() -> None:
    events = await events_of(BotStartedSpeakingFrame(), BotStoppedSpeakingFrame(), UserStartedSpeakingFrame())

    assert Interrupted() not in events


MODEL_EVENTS: list[tuple[ModelEvent, str]] = [
    (TurnUnanswered(cause="inaudible"), "turn unanswered {'cause': 'inaudible'}"),
    (AnswerRequested(), "answer requested again {}"),
    (ModelReconnected(resumed=False), "model reconnected {'resumed': False}"),
    (ModelReseeded(), "conversation given to the model again {}"),
]


@pytest.mark.parametrize(("event", "line"), MODEL_EVENTS)
async def test_what_the_model_s_service_does_about_an_answer_is_recorded_and_logged_once(
    event: ModelEvent, line: str, logged: list[str]
) -> None:
    assert await events_of(ModelEventFrame(event)) == [event]
    assert logged.count(line) == 1


@pytest.mark.parametrize(
    ("settled", "outcome"),
    [
        (call(FunctionCallEventKind.COMPLETED, {"saved": {"number": 2}}), "ok"),
        (call(FunctionCallEventKind.COMPLETED, {"error": "The shop is not answering."}), "error"),
        (call(FunctionCallEventKind.FAILED), "error"),
        (call(FunctionCallEventKind.TIMED_OUT), "error"),
        (call(FunctionCallEventKind.CANCELLED), "error"),
    ],
)
def test_a_tool_call_counts_by_what_came_of_it(settled: FunctionCallEvent, outcome: str) -> None:
    called = tool_called(settled)

    assert (called.name, called.outcome, called.seconds) == ("save_product", outcome, 1.5)
