"""Each event is counted once, whatever happens between bot and controller."""

import itertools
from collections.abc import Iterable
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from podline.contract.arithmetic import MAX_SERVICES, OTHER
from podline.contract.encoding import encode
from podline.contract.messages import (
    MAX_REPORT_BYTES,
    AnswerRequested,
    ErrorSeen,
    Event,
    FirstByte,
    Interrupted,
    Report,
    Synthesized,
    Talked,
    TokensUsed,
    ToolCalled,
    TurnEnded,
    TurnUnanswered,
)
from podline.contract.reading import read_report
from podline.contract.usage import ModelUsage, Tokens, ToolCalls, Usage
from podline.runner.channel.outbox import MAX_BATCH_EVENTS, MAX_PENDING_EVENTS, URGENT_TOKENS, Outbox
from testing.fakes.bots.bot_controller import Counter
from tests.searching import narrow_or_wide


class Uptime:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def uptime() -> Uptime:
    return Uptime()


@pytest.fixture
def outbox(uptime: Uptime) -> Outbox:
    return Outbox(uptime)


def tokens(count: int) -> TokensUsed:
    return TokensUsed("gemini", Tokens(prompt_tokens=count))


def numbered(events: Iterable[Event]) -> list[TokensUsed]:
    """The events of a delivery, each of which has a number of its own in its tokens."""
    return [event for event in events if isinstance(event, TokensUsed)]


def test_totals_add_up_what_was_recorded(outbox: Outbox) -> None:
    for event in (
        TokensUsed("gemini", Tokens(prompt_tokens=10, output_audio_tokens=4)),
        TokensUsed("gemini", Tokens(prompt_tokens=5)),
        TurnEnded(),
        TurnUnanswered("empty_turn"),
        TurnUnanswered("no_answer"),
        AnswerRequested(),
        Interrupted(),
        ToolCalled("save_product", "ok", 0.5),
        ToolCalled("save_product", "error", 0.5),
        Talked("caller", 1.5),
        Talked("caller", 1.0),
        Talked("bot", 2.0),
        FirstByte("gemini", 0.3),
        ErrorSeen("network"),
    ):
        outbox.record(event)

    totals = outbox.totals
    assert totals.models == {"gemini": ModelUsage(prompt_tokens=15, output_audio_tokens=4)}
    assert (totals.turns, totals.turns_unanswered, totals.interruptions) == (1, 2, 1)
    assert totals.tool_calls == {"save_product": ToolCalls(ok=1, error=1)}
    assert (totals.talk_seconds.caller, totals.talk_seconds.bot) == (2.5, 2.0)


def test_a_moment_is_marked_once_and_wakes_whoever_reports(outbox: Outbox, uptime: Uptime) -> None:
    uptime.seconds = 1.5
    outbox.mark("joined")
    assert outbox.moment_reached.is_set()
    outbox.moment_reached.clear()
    uptime.seconds = 4.0
    outbox.mark("joined")

    assert not outbox.moment_reached.is_set()
    assert (outbox.timeline.joined, outbox.timeline.now) == (1.5, 4.0)


def test_many_tokens_wake_whoever_reports_and_few_wait(outbox: Outbox) -> None:
    outbox.record(tokens(URGENT_TOKENS - 1))
    assert not outbox.moment_reached.is_set()
    outbox.report()
    outbox.record(tokens(URGENT_TOKENS - 1))
    assert not outbox.moment_reached.is_set()

    outbox.record(tokens(1))
    assert outbox.moment_reached.is_set()


def test_so_do_many_characters_to_speak(outbox: Outbox) -> None:
    outbox.record(Synthesized("a-voice", URGENT_TOKENS - 1))
    assert not outbox.moment_reached.is_set()

    outbox.record(Synthesized("a-voice", 1))
    assert outbox.moment_reached.is_set()


def test_a_batch_stays_as_it_was_first_sent(outbox: Outbox) -> None:
    outbox.record(tokens(1))
    first = outbox.report()
    outbox.record(tokens(2))
    again = outbox.report()

    assert (again.seq, again.events) == (first.seq, first.events)
    assert again.totals.models["gemini"].prompt_tokens == 3


def test_only_what_was_acknowledged_enters_the_acknowledged_totals(outbox: Outbox) -> None:
    outbox.record(tokens(1))
    outbox.report()
    outbox.record(tokens(2))

    assert outbox.acknowledge(1)
    assert outbox.acked_totals.models["gemini"].prompt_tokens == 1
    assert outbox.report().acked == 1


@pytest.mark.parametrize("ack", [-1, 0, 1])
def test_an_old_acknowledgement_closes_no_batch(outbox: Outbox, ack: int) -> None:
    outbox.record(tokens(1))
    outbox.report()
    outbox.acknowledge(1)
    outbox.record(tokens(2))
    outbox.report()

    assert not outbox.acknowledge(ack)
    assert outbox.report().events == [tokens(2)]


def test_events_given_up_are_left_to_the_final_report(outbox: Outbox) -> None:
    outbox.record(tokens(1))
    outbox.report()
    outbox.give_up()

    assert (outbox.dropped, outbox.is_settled) == (1, True)
    assert (outbox.totals.models["gemini"].prompt_tokens, outbox.acked_totals) == (1, Usage())


def test_a_long_absence_of_the_controller_drops_the_oldest_and_counts_them(outbox: Outbox) -> None:
    for count in range(MAX_PENDING_EVENTS + 3):
        outbox.record(tokens(count))

    assert outbox.dropped == 3
    assert outbox.report().events[0] == tokens(3)


def test_more_models_and_tools_than_a_usage_may_name_are_counted_together(outbox: Outbox) -> None:
    for count in range(100):
        outbox.record(TokensUsed(f"model-{count}", Tokens(prompt_tokens=1)))
        outbox.record(ToolCalled(f"tool-{count}", "ok", 0.1))
        outbox.record(Synthesized("a-model", 2, f"Service{count}"))

    report = read_report(encode(outbox.report()))[0]
    assert report.totals.models[OTHER].prompt_tokens == 100 - 14
    assert report.totals.models["a-model"].characters == 200
    assert len(report.totals.services) == MAX_SERVICES
    assert report.totals.services[OTHER].characters == 2 * (100 - 15)
    assert report.totals.tool_calls[OTHER].ok == 100 - 31


def test_the_largest_report_is_small_enough_for_the_controller(outbox: Outbox) -> None:
    most = 2**53
    for count in range(MAX_BATCH_EVENTS):
        name = f"{count:03}".ljust(128, "x")
        outbox.record(ToolCalled(name, "error", 12345.678901234567))
    body = encode(outbox.report())
    outbox.acknowledge(1)
    for count in range(MAX_BATCH_EVENTS):
        name = f"{count:03}".ljust(128, "x")
        outbox.record(TokensUsed(name, Tokens(*[most] * 7), f"{count:03}".ljust(64, "s")))

    assert max(len(body), len(encode(outbox.report()))) < MAX_REPORT_BYTES


class Delivery(RuleBasedStateMachine):
    """Records, sends, loses and repeats at random, against a controller that may forget.

    See `numbered`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(lambda: 0.0)
        self.controller = Counter()
        self.numbers = itertools.count(1)
        self.recorded: list[TokensUsed] = []
        self.late: list[Report] = []
        self.may_repeat: list[TokensUsed] = []

    @rule(count=st.integers(1, 130))
    def record(self, count: int) -> None:
        for _ in range(count):
            event = tokens(next(self.numbers))
            self.recorded.append(event)
            self.outbox.record(event)

    @rule()
    def deliver(self) -> None:
        self.outbox.acknowledge(self.controller.count(self.outbox.report()))

    @rule()
    def lose_the_request(self) -> None:
        self.late.append(self.outbox.report())

    @rule()
    def lose_the_answer(self) -> None:
        self.controller.count(self.outbox.report())

    @rule()
    def arrive_late(self) -> None:
        if self.late:
            self.outbox.acknowledge(self.controller.count(self.late.pop(0)))

    @rule()
    def restart_the_controller(self) -> None:
        # Its memory gone, it can't know a batch whose answer was lost, nor a late one.
        self.late.clear()
        self.may_repeat += [
            event for event in numbered(self.outbox.report().events) if event in self.controller.counted
        ]
        self.controller.restart()

    @invariant()
    def nothing_is_counted_twice_but_a_batch_at_a_restart(self) -> None:
        repeated = numbered(self.controller.counted)
        for event in {event.tokens.prompt_tokens: event for event in repeated}.values():
            repeated.remove(event)
        assert all(event in self.may_repeat for event in repeated)

    @invariant()
    def totals_hold_all_that_was_recorded(self) -> None:
        assert self.outbox.totals.models.get("gemini", ModelUsage()).prompt_tokens == sum(
            event.tokens.prompt_tokens for event in self.recorded
        )

    @invariant()
    def what_counts_as_acknowledged_has_been_counted(self) -> None:
        counted = {event.tokens.prompt_tokens for event in numbered(self.controller.counted)}
        assert self.outbox.acked_totals.models.get("gemini", ModelUsage()).prompt_tokens <= sum(counted)

    def teardown(self) -> None:
        while not self.outbox.is_settled:
            self.outbox.acknowledge(self.controller.count(self.outbox.report()))
        assert {event.tokens.prompt_tokens for event in numbered(self.controller.counted)} == {
            event.tokens.prompt_tokens for event in self.recorded
        }
        assert self.outbox.acked_totals == self.outbox.totals
        if not self.may_repeat:
            assert self.controller.counted == self.recorded


Delivery.TestCase.settings = narrow_or_wide(max_examples=60, stateful_step_count=25)
TestDelivery = Delivery.TestCase


@given(st.lists(st.tuples(st.sampled_from(["caller", "bot"]), st.integers(0, 4000)), max_size=300))
def test_talk_adds_up_whole_however_it_is_cut_into_batches(
    parts: list[tuple[Literal["caller", "bot"], int]],
) -> None:
    outbox = Outbox(lambda: 0.0)
    for side, quarters in parts:
        outbox.record(Talked(side, quarters / 4))
    while not outbox.is_settled:
        outbox.acknowledge(outbox.report().seq)

    assert outbox.acked_totals == outbox.totals
    assert outbox.totals.talk_seconds.bot == sum(quarters for side, quarters in parts if side == "bot") / 4


def test_a_first_speech_is_told_as_acknowledged_once_a_batch_that_was_made_after_it_is(
    outbox: Outbox,
) -> None:
    outbox.report()
    outbox.mark("first_speech")
    # Sent again, the batch tells of it; but the controller may have counted it as it was first sent.
    assert not outbox.report().timeline.first_speech_acked
    outbox.acknowledge(1)
    assert not outbox.report().timeline.first_speech_acked

    outbox.acknowledge(2)
    assert outbox.report().timeline.first_speech_acked
