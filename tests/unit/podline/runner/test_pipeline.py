"""What the caller types reaches the model, the transcript and the context."""

import time

import pytest
from pipecat.frames.frames import (
    BotStoppedSpeakingFrame,
    Frame,
    InputTextRawFrame,
    LLMMessagesAppendFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import IdleFrameObserver
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from podline.runner.pipeline import CallerInput, DiscreetRTVI, call_worker
from podline.runner.room.hearing import Hearing


def caller_input(typed_words: list[str]) -> CallerInput:
    """The processor, which adds to the list what the caller types."""
    made = CallerInput(Hearing(time.monotonic))
    made.add_event_handler("on_typed_text", lambda _input, text: typed_words.append(text))
    return made


async def test_typed_words_are_said_to_the_model_and_kept_in_its_context() -> None:
    typed_words: list[str] = []
    typed = LLMMessagesAppendFrame(messages=[{"role": "user", "content": "find a lamp"}], run_llm=True)

    frames, _ = await run_test(
        caller_input(typed_words),
        frames_to_send=[typed],
        expected_down_frames=[LLMMessagesAppendFrame, InputTextRawFrame],
    )

    assert isinstance(frames[0], LLMMessagesAppendFrame)
    assert frames[0].run_llm is False
    assert isinstance(frames[1], InputTextRawFrame)
    assert frames[1].text == "find a lamp"
    assert typed_words == ["find a lamp"]


async def test_an_empty_line_is_no_turn() -> None:
    typed_words: list[str] = []

    await run_test(
        caller_input(typed_words),
        frames_to_send=[LLMMessagesAppendFrame(messages=[{"role": "user", "content": "  "}], run_llm=True)],
        expected_down_frames=[LLMMessagesAppendFrame],
    )

    assert typed_words == []


@pytest.mark.parametrize(
    "frame", [TTSAudioRawFrame(bytes(2), 24_000, 1), BotStoppedSpeakingFrame(), UserStoppedSpeakingFrame()]
)
async def test_a_call_is_not_idle_while_somebody_speaks_whatever_the_wall_clock_does(frame: Frame) -> None:
    """Pipecat counts only frames that it sends at intervals of the wall clock."""
    processor = IdentityFilter()
    worker = call_worker(Pipeline([processor]), observers=[], idle_seconds=60, rtvi=DiscreetRTVI())
    [observer] = [each for each in worker._observer._observers if isinstance(each, IdleFrameObserver)]

    await observer.on_push_frame(FramePushed(processor, processor, frame, FrameDirection.DOWNSTREAM, 0))

    assert worker._idle_event.is_set()
