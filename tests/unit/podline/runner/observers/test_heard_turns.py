"""Turns of a caller whom only the model hears."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import (
    Frame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
)
from pipecat.observers.base_observer import FramePushed
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection

from podline.contract.messages import Event, TurnEnded
from podline.runner.observers.heard_turns import HeardTurnObserver

ANSWER = (LLMFullResponseStartFrame(), LLMFullResponseEndFrame())
PAUSE = 2.0


def words(text: str) -> TranscriptionFrame:
    return TranscriptionFrame(text, "", "2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("moments", "turns"),
    [
        ([*ANSWER], 0),
        ([*ANSWER, PAUSE, words("Find running shoes."), *ANSWER], 1),
        ([*ANSWER, PAUSE, words("Find running shoes."), words("Red ones."), *ANSWER], 1),
        (
            [
                *ANSWER,
                PAUSE,
                words("Find running"),
                *ANSWER,
                words("shoes."),
                PAUSE,
                words("Save it."),
                *ANSWER,
            ],
            2,
        ),
        ([*ANSWER, PAUSE, *ANSWER, words("Find running shoes."), PAUSE, words("Save it.")], 1),
        ([words("One."), *ANSWER, PAUSE, words("Two."), *ANSWER], 2),
        ([words(" "), *ANSWER], 0),
        # Pipecat's own voice activity detection, whose turns are counted elsewhere.
        ([UserStartedSpeakingFrame(), words("One."), *ANSWER, PAUSE, words("Two."), *ANSWER], 0),
    ],
)
async def test_a_turn_is_the_first_words_since_the_last_answer_began(
    moments: list[Frame | float], turns: int
) -> None:
    recorded: list[Event] = []
    now = 0.0
    observer = HeardTurnObserver(recorded.append, lambda: now)
    model = IdentityFilter()

    for each in moments:
        if isinstance(each, float):
            now += each
        else:
            await observer.on_push_frame(FramePushed(model, model, each, FrameDirection.DOWNSTREAM, 0))

    assert recorded == [TurnEnded()] * turns
