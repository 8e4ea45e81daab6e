"""A caller who is owed an answer hears something within the bound, or the call ends and says why."""

from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podline.contract.messages import (
    AnswerRequested,
    ModelReconnected,
    ModelReseeded,
    TurnUnanswered,
    UnansweredCause,
)
from podline.contract.reasons import Reason
from podline.frames import ModelEvent
from podline.runner.mute import (
    LOSS_SECONDS,
    PLAYING_SECONDS,
    Afterwards,
    MuteWatch,
    Sent,
    Unanswered,
)
from podline.tool_calls import MAX_TOOL_SECONDS

BOUND = 8.0


def owed(at: float = 100.0) -> MuteWatch:
    """Return a watch over a caller whose turn ended at this moment."""
    watch = MuteWatch(BOUND)
    watch.caller_began(at - 2)
    watch.caller_finished(at)
    watch.owe(at)
    return watch


def end_of(watch: MuteWatch, now: float) -> tuple[float, Unanswered]:
    """Let time pass, and return when the watch gave up and what it said."""
    deadline = watch.deadline(now)
    assert deadline is not None
    assert watch.unanswered(deadline - 0.01) is None
    unanswered = watch.unanswered(deadline)
    assert unanswered is not None
    return deadline, unanswered


def test_nothing_is_owed_to_a_caller_who_has_not_spoken() -> None:
    watch = MuteWatch(BOUND)
    watch.response_began(1.0)
    watch.sent("thoughts", 1.0)

    assert watch.deadline(1000.0) is None
    assert watch.unanswered(1000.0) is None


def test_a_bot_that_may_be_silent_is_never_given_up() -> None:
    watch = MuteWatch(0.0)
    watch.owe(1.0)

    assert watch.deadline(1000.0) is None
    assert watch.unanswered(1000.0) is None


def test_an_answer_that_is_heard_is_all_that_is_owed() -> None:
    watch = owed()
    watch.heard(103.0, is_answer=True)

    assert watch.deadline(104.0) is None


def test_what_was_said_before_the_question_is_no_answer_but_the_caller_hears_it() -> None:
    watch = owed()
    watch.heard(105.0, is_answer=False)

    assert end_of(watch, 105.0)[0] == 105.0 + BOUND


def test_more_questions_don_t_give_the_model_more_time() -> None:
    watch = owed()
    for at in (103.0, 106.0, 107.9):
        watch.owe(at)

    assert end_of(watch, 107.9)[0] == 100.0 + BOUND


def test_a_caller_who_speaks_again_has_to_finish_first() -> None:
    watch = owed()
    watch.caller_began(107.0)
    assert watch.deadline(200.0) is None

    watch.caller_finished(200.0)
    watch.owe(200.0)
    assert end_of(watch, 200.0)[0] == 200.0 + BOUND


def test_an_answer_that_breaks_off_is_owed_from_its_last_sound() -> None:
    watch = owed()
    watch.response_began(101.0)
    watch.heard(102.0, is_answer=True)
    watch.heard(103.0, is_answer=True)

    at, unanswered = end_of(watch, 103.0)
    assert at == 103.0 + BOUND
    assert "the model broke off in the middle of one" in unanswered.error.message


@pytest.mark.parametrize("end", [MuteWatch.response_ended, MuteWatch.interrupted, MuteWatch.caller_began])
def test_an_answer_that_was_heard_and_is_over_leaves_nothing_owed(
    end: Callable[[MuteWatch, float], None],
) -> None:
    watch = owed()
    watch.response_began(101.0)
    watch.heard(102.0, is_answer=True)
    end(watch, 103.0)

    assert watch.deadline(103.0) is None


def test_a_response_that_ends_before_it_was_heard_is_still_owed() -> None:
    watch = owed()
    watch.response_began(101.0)
    watch.response_ended(102.0)

    assert end_of(watch, 102.0)[0] == 100.0 + BOUND


def test_time_in_which_a_tool_runs_does_not_count() -> None:
    watch = owed()
    watch.tool_began("a", 103.0)
    watch.tool_began("b", 104.0)
    assert not watch.tool_ended("a", 113.0, "answer")
    assert watch.tool_ended("b", 123.0, "answer")

    assert end_of(watch, 123.0)[0] == 123.0 + BOUND - 3


def test_words_before_a_tool_s_result_do_not_answer_it() -> None:
    watch = owed()
    watch.tool_began("a", 101.0)
    watch.heard(102.0, is_answer=True)
    assert watch.tool_ended("a", 105.0, "answer")

    assert end_of(watch, 105.0)[0] == 105.0 + BOUND


def test_tools_keep_a_caller_waiting_for_so_long_and_no_longer() -> None:
    watch = owed()
    watch.tool_began("a", 100.0)

    at, unanswered = end_of(watch, 100.0)
    assert at == 100.0 + MAX_TOOL_SECONDS + BOUND
    assert unanswered.cause == "no_answer"
    assert "a tool took more than 60 seconds" in unanswered.error.message


def test_a_model_that_calls_one_tool_after_another_is_given_up_as_well() -> None:
    watch, now = owed(), 100.0
    while watch.unanswered(now) is None:
        watch.tool_began(f"call-{now}", now)
        now += 9.0
        watch.tool_ended(f"call-{now - 9.0}", now, "answer")
        now += 0.1
        assert now < 200.0

    assert now > 100.0 + MAX_TOOL_SECONDS + BOUND


def test_a_tool_that_is_never_heard_of_again_delays_no_later_answer() -> None:
    watch = owed()
    watch.tool_began("a", 101.0)
    watch.heard(102.0, is_answer=True)
    watch.caller_began(110.0 + MAX_TOOL_SECONDS)
    watch.caller_finished(111.0 + MAX_TOOL_SECONDS)
    watch.owe(111.0 + MAX_TOOL_SECONDS)

    assert end_of(watch, 111.0 + MAX_TOOL_SECONDS)[0] == 111.0 + MAX_TOOL_SECONDS + BOUND


def test_a_tool_whose_result_wants_no_answer_was_the_answer() -> None:
    watch = owed()
    watch.tool_began("a", 101.0)
    assert not watch.tool_ended("a", 102.0, "nothing")

    assert watch.deadline(103.0) is None


def test_what_the_caller_asks_while_such_a_tool_runs_is_still_owed() -> None:
    watch = owed()
    watch.tool_began("a", 101.0)
    watch.owe(102.0)
    assert not watch.tool_ended("a", 103.0, "nothing")

    assert watch.deadline(103.0) == 103.0 + BOUND - 1.0


def test_such_a_tool_may_end_before_one_that_began_before_the_question() -> None:
    watch = MuteWatch(BOUND)
    watch.tool_began("a", 99.0)
    watch.owe(100.0)
    watch.tool_began("b", 101.0)
    assert not watch.tool_ended("b", 102.0, "nothing")
    assert not watch.tool_ended("a", 103.0, "nothing")

    assert watch.deadline(103.0) is None


def test_a_cancelled_tool_leaves_the_answer_owed() -> None:
    watch = owed()
    watch.tool_began("a", 101.0)
    assert not watch.tool_ended("a", 105.0, "undecided")

    assert end_of(watch, 105.0)[0] == 105.0 + BOUND - 1


def test_a_result_of_a_call_that_does_not_run_owes_nothing() -> None:
    watch = MuteWatch(BOUND)
    assert not watch.tool_ended("a", 1.0, "answer")
    watch.tool_began("a", 2.0)
    watch.tool_ended("a", 3.0, "undecided")
    assert not watch.tool_ended("a", 4.0, "answer")

    assert watch.deadline(5.0) is None


def test_a_caller_who_is_away_does_not_wait() -> None:
    watch = owed()
    watch.caller_left(105.0)
    assert watch.deadline(200.0) is None
    assert not watch.caller_returned(200.0, bot_speaks=False)

    assert end_of(watch, 200.0)[0] == 200.0 + BOUND


def test_an_answer_that_was_played_to_nobody_is_missed() -> None:
    watch = owed()
    watch.caller_left(101.0)
    watch.sent("audible", 101.0)

    assert watch.caller_returned(110.0, bot_speaks=False)
    assert watch.deadline(110.0) is None


def test_an_answer_whose_end_the_caller_returns_to_is_not_missed() -> None:
    watch = owed()
    watch.caller_left(101.0)
    watch.sent("audible", 101.0)
    watch.heard(102.0, is_answer=True)
    assert not watch.caller_returned(103.0, bot_speaks=True)

    assert watch.is_due
    watch.heard(103.5, is_answer=True)
    assert not watch.is_due


def test_an_answer_that_began_just_before_the_loss_was_noticed_is_missed() -> None:
    watch = owed()
    watch.heard(101.0, is_answer=True)
    watch.caller_left(104.0)
    assert watch.caller_returned(110.0, bot_speaks=False)

    watch.owe(110.0)
    watch.heard(111.0, is_answer=True)
    watch.caller_left(120.0)
    assert not watch.caller_returned(130.0, bot_speaks=False)


def test_an_answer_that_was_lost_while_the_caller_returned_at_once_is_missed() -> None:
    watch = owed()
    watch.sent("audible", 101.0)
    assert watch.caller_returned(102.0, bot_speaks=False)


def test_a_caller_who_is_still_here_does_not_return() -> None:
    watch = owed()
    assert not watch.caller_returned(105.0, bot_speaks=False)

    assert end_of(watch, 105.0)[0] == 100.0 + BOUND


@pytest.mark.parametrize("event", [AnswerRequested(), ModelReconnected(), ModelReseeded()])
def test_whatever_the_model_s_service_does_gives_it_no_more_time(event: ModelEvent) -> None:
    watch = owed()
    for at in (102.0, 105.0, 107.9):
        assert not watch.model_did(event, at)

    assert end_of(watch, 107.9)[0] == 100.0 + BOUND


def test_an_answer_that_the_service_asks_for_after_one_broke_off_is_due_since_the_last_sound() -> None:
    watch = owed()
    watch.heard(102.0, is_answer=True)
    assert watch.model_did(AnswerRequested(), 103.0)

    assert end_of(watch, 103.0)[0] == 102.0 + BOUND


def test_an_answer_that_the_service_asks_for_after_a_long_silence_gets_half_the_time() -> None:
    watch = owed()
    watch.heard(102.0, is_answer=True)
    assert watch.model_did(AnswerRequested(), 160.0)

    assert end_of(watch, 160.0)[0] == 160.0 + BOUND / 2


@pytest.mark.parametrize("event", [ModelReconnected(), ModelReseeded(), TurnUnanswered(cause="inaudible")])
def test_a_connection_that_moves_while_nothing_is_owed_owes_nothing(event: ModelEvent) -> None:
    watch = MuteWatch(BOUND)
    assert not watch.model_did(event, 1.0)

    assert watch.deadline(1.0) is None


@pytest.mark.parametrize(
    ("sent", "completed", "reported", "cause", "words"),
    [
        ([], 0, None, "no_answer", "the model sent nothing"),
        ([], 1, None, "empty_turn", "the model completed its turn without audio"),
        ([], 0, "empty_turn", "empty_turn", "the model completed its turn without audio"),
        (["thoughts"], 1, None, "empty_turn", "the model sent only thoughts"),
        (["thoughts"], 0, "no_answer", "no_answer", "the model sent only thoughts"),
        (["text", "thoughts"], 0, None, "no_answer", "the model sent text but no audio"),
        (["inaudible", "text"], 1, None, "inaudible", "the model's audio was too quiet or too short to hear"),
        ([], 0, "connection_lost", "connection_lost", "the connection to the model was lost"),
    ],
)
def test_the_ending_says_what_the_model_did_instead(
    sent: list[Sent], completed: int, reported: UnansweredCause | None, cause: str, words: str
) -> None:
    watch = owed()
    for each in sent:
        watch.sent(each, 101.0)
    for _ in range(completed):
        watch.response_ended(102.0)
    if reported:
        watch.model_did(TurnUnanswered(cause=reported), 103.0)

    unanswered = end_of(watch, 103.0)[1]
    assert unanswered.cause == cause
    assert unanswered.is_reported == (reported is not None)
    assert unanswered.error.reason is Reason.MODEL_LOST
    assert unanswered.error.message == (
        f"The caller heard no answer for 8 seconds: {words}. "
        "Check the model's status; the caller can call again."
    )


def test_the_ending_says_what_the_bot_tried() -> None:
    watch = owed()
    for event in (AnswerRequested(), AnswerRequested(), ModelReconnected(resumed=False)):
        watch.model_did(event, 103.0)

    message = end_of(watch, 103.0)[1].error.message
    assert "the model sent nothing, although the bot asked it again 2 times and reconnected once." in message


def test_an_answer_that_never_leaves_the_output_is_not_the_model_s_fault() -> None:
    watch = owed()
    watch.sent("audible", 101.0)
    watch.response_ended(102.0)

    unanswered = end_of(watch, 102.0)[1]
    assert (unanswered.cause, unanswered.error.reason) == ("not_played", Reason.ROOM_LOST)
    assert "see the bot's log" in unanswered.error.message


def test_an_answer_that_is_on_its_way_at_the_bound_is_waited_for() -> None:
    watch = owed()
    watch.sent("audible", 100.0 + BOUND - 0.1)

    assert watch.unanswered(100.0 + BOUND) is None
    watch.heard(100.0 + BOUND + 0.2, is_answer=True)
    assert not watch.is_due


def test_an_answer_that_is_on_its_way_for_too_long_was_not_played() -> None:
    watch = owed()
    watch.sent("audible", 100.0 + BOUND - 0.1)

    deadline, unanswered = end_of(watch, 100.0 + BOUND)
    assert deadline == 100.0 + BOUND - 0.1 + PLAYING_SECONDS
    assert unanswered.cause == "not_played"


def test_what_happened_in_one_turn_is_not_reported_of_the_next() -> None:
    watch = owed()
    watch.sent("inaudible", 101.0)
    watch.model_did(AnswerRequested(), 101.0)
    watch.heard(102.0, is_answer=True)
    watch.caller_began(150.0)
    watch.caller_finished(151.0)
    watch.owe(151.0)

    message = end_of(watch, 151.0)[1].error.message
    assert "the model sent nothing. Check" in message


class Account:
    """A conversation, and its own account of how long the caller hears nothing."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.begin()

    def begin(self) -> None:
        """Begin another call."""
        self.watch = MuteWatch(BOUND)
        self.is_owed = self.speaks = self.is_away = False
        self.is_open = self.open_was_heard = self.was_answered_while_owed = False
        self.answered_at: float | None = None
        self.calls: set[str] = set()
        self.forget()

    def forget(self) -> None:
        """Note that the caller heard something, or has nothing to wait for."""
        self.silence = self.silence_without_tools = 0.0
        self.had_half = False

    @property
    def is_due(self) -> bool:
        return self.is_owed or (self.is_open and self.open_was_heard)

    def owe(self) -> None:
        if not self.is_due:
            self.forget()
        self.is_owed = True
        self.answered_at = None
        self.was_answered_while_owed = False

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (deadline := self.watch.deadline(self.now)) is not None and deadline <= until:
            self.add(deadline - self.now)
            if self.watch.unanswered(self.now) is not None:
                # Nobody is cut off who doesn't wait.
                assert self.silence >= (BOUND / 2 if self.had_half else BOUND) - A_MOMENT
                self.begin()
                return
        self.add(until - self.now)

    def add(self, seconds: float) -> None:
        self.now += seconds
        if self.is_due and not self.speaks and not self.is_away:
            self.silence += seconds
            if not self.calls:
                self.silence_without_tools += seconds
        # Nobody waits in silence beyond the bound.
        assert self.silence_without_tools <= BOUND + PLAYING_SECONDS + A_MOMENT
        assert self.silence <= BOUND + MAX_TOOL_SECONDS + PLAYING_SECONDS + A_MOMENT

    def caller_speaks(self) -> None:
        self.watch.caller_began(self.now)
        self.speaks = True
        self.is_owed = self.open_was_heard = False
        self.answered_at = None
        self.forget()

    def caller_finishes(self) -> None:
        self.watch.caller_finished(self.now)
        self.speaks = False
        self.caller_types()

    def caller_types(self) -> None:
        self.watch.owe(self.now)
        self.owe()

    def sound_leaves(self, *, is_answer: bool) -> None:
        self.watch.heard(self.now, is_answer=is_answer)
        if self.is_away:
            return
        self.forget()
        self.open_was_heard = self.is_open
        if self.is_owed and is_answer:
            self.is_owed = False
            self.answered_at = self.now

    def model_sends(self, what: Sent) -> None:
        self.watch.sent(what, self.now)
        self.was_answered_while_owed |= self.is_owed and what == "audible"

    def response_begins(self) -> None:
        self.watch.response_began(self.now)
        self.is_open, self.open_was_heard = True, False

    def response_ends(self) -> None:
        self.watch.response_ended(self.now)
        self.is_open = self.open_was_heard = False

    def response_is_cut(self) -> None:
        self.watch.interrupted(self.now)
        self.is_open = self.open_was_heard = False

    def tool_begins(self, call: str) -> None:
        self.watch.tool_began(call, self.now)
        self.calls.add(call)

    def tool_ends(self, call: str, afterwards: Afterwards) -> None:
        was_owed = self.watch.is_due
        if self.watch.tool_ended(call, self.now, afterwards):
            self.owe()
        elif was_owed and not self.watch.is_due:
            assert afterwards == "nothing"
            self.is_owed = False
        self.calls.discard(call)

    def service_acts(self, event: ModelEvent) -> None:
        if self.watch.model_did(event, self.now):
            assert isinstance(event, AnswerRequested)
            self.owe()
            self.had_half = True

    def caller_leaves(self) -> None:
        self.watch.caller_left(self.now)
        self.is_away = True
        if self.answered_at is not None and self.now - self.answered_at <= LOSS_SECONDS:
            self.is_owed = self.was_answered_while_owed = True

    def caller_returns(self) -> None:
        self.watch.caller_returned(self.now, bot_speaks=False)
        if self.is_away:
            self.is_away = self.open_was_heard = False
            self.forget()
        self.is_owed = self.is_owed and not self.was_answered_while_owed


A_MOMENT = 0.001
CALLS = st.sampled_from("abc")
SERVICE_EVENTS: list[ModelEvent] = [
    AnswerRequested(),
    ModelReconnected(),
    ModelReseeded(),
    TurnUnanswered(cause="inaudible"),
]
STEPS: list[st.SearchStrategy[Callable[[Account], None]]] = [
    st.just(Account.caller_types),
    st.just(Account.caller_speaks),
    st.just(Account.caller_finishes),
    st.booleans().map(lambda is_answer: lambda account: account.sound_leaves(is_answer=is_answer)),
    st.sampled_from(get_args(Sent)).map(lambda what: lambda account: account.model_sends(what)),
    st.just(Account.response_begins),
    st.just(Account.response_ends),
    st.just(Account.response_is_cut),
    CALLS.map(lambda call: lambda account: account.tool_begins(call)),
    st.tuples(CALLS, st.sampled_from(get_args(Afterwards))).map(
        lambda end: lambda account: account.tool_ends(*end)
    ),
    st.sampled_from(SERVICE_EVENTS).map(lambda event: lambda account: account.service_acts(event)),
    st.just(Account.caller_leaves),
    st.just(Account.caller_returns),
]


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 3.0, 7.0, 9.0, 40.0]), st.one_of(STEPS)), min_size=20))
def test_whatever_happens_nobody_waits_in_silence_beyond_the_bound(
    steps: list[tuple[float, Callable[[Account], None]]],
) -> None:
    account = Account()
    for seconds, step in steps:
        account.wait(seconds)
        step(account)
        assert account.watch.is_due == account.is_due
    account.wait(1000.0)
    assert not account.is_due or account.speaks or account.is_away
