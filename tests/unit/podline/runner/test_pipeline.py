"""What the caller types reaches the model, the transcript and the context."""

import time

from pipecat.frames.frames import InputTextRawFrame, LLMMessagesAppendFrame
from pipecat.tests.utils import run_test

from podline.runner.pipeline import CallerInput
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
