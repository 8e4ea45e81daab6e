"""What Pipecat observes becomes events that can be counted."""

import asyncio
import time
from collections.abc import Callable

import pytest
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    MetricsFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.observers.function_call_observer import FunctionCallEvent, FunctionCallEventKind
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from podline.contract.messages import (
    AnswerRequested,
    Event,
    Interrupted,
    ModelReconnected,
    ModelReseeded,
    Talked,
    TokensUsed,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.usage import Tokens
from podline.frames import ModelEvent, ModelEventFrame
from podline.runner.mute import MuteWatch
from podline.runner.observers.answers import AnswerObserver
from podline.runner.observers.measurements import _speech, observers, tool_called
from podline.runner.observers.silences import Silences

PATIENCE_SECONDS = 20


async def events_of(*frames: Frame) -> list[Event]:
    """What is recorded while these frames pass."""
    events: list[Event] = []

    async def ignore(_seconds: float) -> None: ...

    clock = asyncio.get_running_loop().time
    answers = AnswerObserver(MuteWatch(8.0), IdentityFilter(), clock, ignore, transcribes=False)
    await run_test(
        IdentityFilter(), frames_to_send=frames, observers=observers(events.append, answers, lambda: True)
    )
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


async def test_tokens_are_recorded_under_the_model_s_plain_name() -> None:
    usage = LLMTokenUsage(prompt_tokens=10, completion_tokens=5, total_tokens=15, output_audio_tokens=4)
    frame = MetricsFrame(
        data=[LLMUsageMetricsData(processor="llm", model="models/gemini-3.8-live", value=usage)]
    )

    events = await events_of(frame)

    tokens = Tokens(prompt_tokens=10, completion_tokens=5, output_audio_tokens=4)
    assert events == [TokensUsed(model="gemini-3.8-live", tokens=tokens)]


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
