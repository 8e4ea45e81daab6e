"""The model's tool calls: each id runs once and is answered once."""

from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    multiple,
    rule,
)

from podline.gemini.calls import LONGEST_ID, MOST_REMEMBERED, MOST_RUNNING, CallTable, ResultFate


def table() -> CallTable:
    ids = count(1)
    return CallTable(lambda: f"own-{next(ids)}", clock=lambda: 0.0)


def test_a_call_that_comes_twice_runs_once() -> None:
    calls = table()

    assert calls.accept("1", "search") == "1"
    assert calls.accept("1", "search") is None


def test_a_call_that_comes_again_after_its_answer_does_not_run() -> None:
    calls = table()
    calls.accept("1", "search")
    calls.finish("1")

    assert calls.accept("1", "search") is None


def test_a_call_is_answered_once() -> None:
    calls = table()
    calls.accept("1", "search")

    assert calls.finish("1") is ResultFate.ANSWERS
    assert calls.finish("1") is ResultFate.IS_DROPPED


def test_progress_keeps_a_call_open() -> None:
    calls = table()
    calls.accept("1", "search")

    assert calls.finish("1", is_final=False) is ResultFate.ANSWERS
    assert calls.running == ["search"]
    assert calls.finish("1") is ResultFate.ANSWERS


def test_a_cancelled_call_is_stopped_and_not_answered() -> None:
    calls = table()
    calls.accept("1", "search")

    assert calls.cancel(["1"]) == ["1"]
    assert calls.finish("1") is ResultFate.IS_DROPPED
    assert calls.running == []


def test_a_call_that_was_never_made_or_is_answered_cannot_be_cancelled() -> None:
    calls = table()
    calls.accept("1", "search")
    calls.finish("1")

    assert calls.cancel(["1", "2", ""]) == []


def test_a_call_whose_handler_was_stopped_runs_no_more() -> None:
    calls = table()
    calls.accept("1", "search")

    calls.stopped("1")

    assert calls.running == []


def test_a_resumed_session_takes_the_answer_to_a_call_of_before() -> None:
    calls = table()
    calls.accept("1", "save")

    calls.session_opened(is_resumed=True)

    assert calls.model_id("1") == "1"
    assert calls.finish("1") is ResultFate.ANSWERS


def test_another_session_gets_the_result_as_text() -> None:
    calls = table()
    calls.accept("1", "save")

    calls.session_opened(is_resumed=False)

    assert calls.model_id("1") is None
    assert calls.finish("1") is ResultFate.IS_REPORTED


def test_another_session_may_use_an_id_again_while_the_first_call_still_runs() -> None:
    calls = table()
    calls.accept("1", "save")
    calls.session_opened(is_resumed=False)

    key = calls.accept("1", "search")

    assert key not in (None, "1")
    assert calls.model_id(str(key)) == "1"
    assert sorted(calls.running) == ["save", "search"]


def test_a_call_without_an_id_runs_under_one_of_ours() -> None:
    calls = table()

    assert calls.accept(None, "search") == "own-1"
    assert calls.accept("", "search") == "own-2"


def test_a_call_with_too_long_an_id_does_not_run() -> None:
    assert table().accept("x" * (LONGEST_ID + 1), "search") is None


def test_calls_beyond_the_most_at_once_do_not_run() -> None:
    calls = table()
    for number in range(MOST_RUNNING):
        assert calls.accept(str(number), "search") is not None

    assert calls.accept("one more", "search") is None


def test_a_long_call_does_not_fill_the_memory() -> None:
    calls = table()
    for number in range(3 * MOST_REMEMBERED):
        calls.accept(str(number), "search")
        calls.finish(str(number))

    assert len(calls) <= MOST_REMEMBERED + 1


class AnyOrder(RuleBasedStateMachine):
    """Whatever the model and its connections do, no call runs or is answered twice in one session."""

    keys = Bundle("keys")

    @initialize()
    def begin(self) -> None:
        self.calls = table()
        self.session = 0
        self.ran: set[tuple[int, str]] = set()
        self.answered: set[str] = set()
        self.cancelled: set[str] = set()

    @rule(target=keys, model_id=st.sampled_from(["a", "b", "c"]))
    def model_calls(self, model_id: str) -> str | MultipleResults[str]:
        key = self.calls.accept(model_id, "tool")
        if key is None:
            return multiple()
        assert (self.session, model_id) not in self.ran
        self.ran.add((self.session, model_id))
        return key

    @rule(key=keys)
    def tool_returns(self, key: str) -> None:
        fate = self.calls.finish(key)
        if fate is not ResultFate.IS_DROPPED:
            assert key not in self.answered | self.cancelled
            self.answered.add(key)

    @rule(key=consumes(keys))
    def handler_is_stopped(self, key: str) -> None:
        self.calls.stopped(key)

    @rule(model_id=st.sampled_from(["a", "b", "c"]))
    def model_cancels(self, model_id: str) -> None:
        for key in self.calls.cancel([model_id]):
            assert key not in self.answered
            self.cancelled.add(key)

    @rule(is_resumed=st.booleans())
    def session_opens(self, *, is_resumed: bool) -> None:
        self.calls.session_opened(is_resumed=is_resumed)
        self.session += not is_resumed


TestAnyOrder = AnyOrder.TestCase
