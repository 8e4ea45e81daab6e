"""What counts as an answer: sound that can be heard, or a tool call."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from podline.gemini.reply import GRACE_SECONDS, OwedReply

RATE = 24_000
PATIENCE = 4.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reply(clock: Clock) -> OwedReply:
    owed = OwedReply(PATIENCE, clock)
    owed.ask()
    return owed


def tone(seconds: float, amplitude: float = 8000) -> bytes:
    times = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * math.pi * 300 * times)).astype("<i2").tobytes()


def zeros(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def test_a_turn_that_is_complete_without_a_word_is_no_answer(reply: OwedReply) -> None:
    assert reply.turn_completed() == "empty_turn"
    assert reply.is_owed


@pytest.mark.parametrize("sound", [zeros(2), tone(2, amplitude=40)])
def test_sound_that_nobody_hears_is_no_answer(reply: OwedReply, sound: bytes) -> None:
    reply.heard(sound, RATE)

    assert reply.turn_completed() == "inaudible"


def test_an_audible_answer_that_is_complete_counts(reply: OwedReply) -> None:
    reply.heard(tone(1), RATE)

    assert reply.turn_completed() is None
    assert not reply.is_owed
    assert reply.due_at is None


def test_an_answer_that_was_heard_is_complete_once_it_is_generated(reply: OwedReply) -> None:
    reply.heard(tone(1), RATE)
    reply.generation_completed()

    assert not reply.is_owed


def test_a_generation_without_sound_is_no_answer(reply: OwedReply) -> None:
    reply.generation_completed()

    assert reply.is_owed


def test_a_reply_is_overdue_from_the_caller_s_turn_on_whatever_else_arrives(
    reply: OwedReply, clock: Clock
) -> None:
    due = reply.due_at
    clock.now += 3
    reply.heard(zeros(1), RATE)
    reply.generation_completed()

    assert due == reply.due_at == 100 + PATIENCE


def test_an_answer_that_stops_in_mid_sentence_is_overdue_once_what_came_was_played(
    reply: OwedReply, clock: Clock
) -> None:
    reply.heard(tone(10), RATE)
    clock.now += 1
    reply.heard(tone(1), RATE)

    assert reply.due_at == pytest.approx(100 + 11 + PATIENCE)


def test_silence_without_end_after_a_word_is_overdue(reply: OwedReply, clock: Clock) -> None:
    reply.heard(tone(1), RATE)
    for _ in range(20):
        clock.now += 1
        reply.heard(zeros(1), RATE)

    assert reply.due_at == pytest.approx(100 + 1 + PATIENCE)


def test_the_rest_of_an_interrupted_answer_is_not_the_answer(reply: OwedReply) -> None:
    reply.interrupted()

    assert reply.turn_completed() is None
    assert reply.is_owed
    assert reply.turn_completed() == "empty_turn"


def test_what_was_on_its_way_of_an_interrupted_answer_is_not_the_answer(reply: OwedReply) -> None:
    reply.heard(tone(1), RATE)
    reply.interrupted()

    assert reply.turn_completed() is None
    assert reply.turn_completed() == "empty_turn"


def test_a_reply_is_overdue_only_after_the_end_of_another_that_the_caller_still_hears(
    reply: OwedReply, clock: Clock
) -> None:
    reply.heard(tone(3), RATE)
    reply.ask(while_answering=True)
    assert reply.due_at == pytest.approx(100 + 3 + PATIENCE)
    clock.now += 1
    reply.heard(tone(5), RATE)
    reply.heard(zeros(5), RATE)
    assert reply.due_at == pytest.approx(100 + 8 + PATIENCE)

    reply.interrupted()

    assert reply.due_at == pytest.approx(101 + PATIENCE)


def test_what_is_still_sent_of_another_answer_is_not_this_one(reply: OwedReply) -> None:
    reply.ask(while_answering=True)
    reply.heard(tone(1), RATE)

    assert not reply.is_audible
    assert reply.turn_completed() is None
    assert reply.turn_completed() == "empty_turn"


def test_a_tool_call_is_an_answer_until_it_returns(reply: OwedReply) -> None:
    reply.called_tool()
    assert not reply.is_owed

    reply.ask()
    assert reply.is_owed


def test_the_end_of_the_turn_that_called_a_fast_tool_is_not_taken_for_an_empty_answer(
    reply: OwedReply, clock: Clock
) -> None:
    reply.called_tool()
    reply.ask()

    assert reply.turn_completed() is None
    assert reply.due_at == clock.now + GRACE_SECONDS
    reply.heard(tone(0.5), RATE)
    assert reply.turn_completed() is None
    assert not reply.is_owed


def test_no_answer_after_a_tool_has_a_cause(reply: OwedReply) -> None:
    reply.called_tool()
    reply.ask()
    reply.turn_completed()

    assert reply.cause == "empty_turn"


@pytest.mark.parametrize(
    ("happens", "cause"),
    [
        (lambda _: None, "no_answer"),
        (lambda reply: reply.heard(zeros(1), RATE), "inaudible"),
        (lambda reply: reply.heard(tone(1), RATE), "no_answer"),
    ],
)
def test_a_late_answer_has_a_cause(
    reply: OwedReply, happens: Callable[[OwedReply], None], cause: str
) -> None:
    happens(reply)

    assert reply.cause == cause


def test_an_answer_that_is_asked_for_again_is_as_late_as_before(reply: OwedReply, clock: Clock) -> None:
    clock.now += 3
    reply.heard(zeros(1), RATE)
    reply.turn_completed()

    reply.ask_again()

    assert reply.due_at == 100 + PATIENCE
    assert reply.turn_completed() == "empty_turn"


def test_nothing_is_due_while_the_caller_speaks(reply: OwedReply) -> None:
    reply.withdraw()

    assert reply.due_at is None
    assert reply.turn_completed() is None


def test_a_bot_that_may_be_silent_owes_nothing() -> None:
    reply = OwedReply(None, Clock())
    reply.ask()

    assert reply.due_at is None
    assert reply.turn_completed() is None
    assert not reply.is_owed
