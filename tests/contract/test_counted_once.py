"""What metrics say of a bot's usage, whatever network, bot and controller do to its reports."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.last_word import last_word
from bot.ledger import Ledger as BotLedger
from controller.ledger import Ledger, furthest
from controller.metrics import Metrics
from controller.prices import KINDS
from controller.sessions import Session, Timeline
from protocol.adding import NOTHING, beyond, together
from protocol.messages import Event, Interrupted, LastWord, Report, Talked, TokensUsed, ToolCalled, TurnEnded
from protocol.messages import Timeline as BotTimeline
from protocol.reasons import Reason
from protocol.usage import TalkSeconds, Tokens, ToolCalls, Usage
from tests.fakes.metered import Scrape, some_metrics

MODELS, TOOLS = ("a", "b"), ("x", "y")
EVENTS = st.one_of(
    st.builds(TokensUsed, model=st.sampled_from(MODELS), tokens=st.builds(Tokens, *[st.integers(0, 50)] * 2)),
    st.builds(
        ToolCalled,
        name=st.sampled_from(TOOLS),
        outcome=st.sampled_from(["ok", "error"]),
        seconds=st.just(1.0),
    ),
    st.builds(Talked, side=st.sampled_from(["caller", "bot"]), seconds=st.integers(0, 9).map(float)),
    st.builds(TurnEnded),
    st.builds(Interrupted),
)
SESSION = Session(
    id="a-session",
    user_id="ana",
    launch_id="a-launch",
    request_hash="",
    room_provider="webrtc",
    max_duration_seconds=60,
    timeline=Timeline(accepted=datetime(2026, 1, 1, tzinfo=UTC)),
)


def shown(metrics: Metrics) -> Usage:
    """Usage as the counters have it; no parts of prompt and completion are told of here."""
    scrape = Scrape(metrics.registry)

    def tokens(model: str) -> Tokens:
        kinds = {
            kind: scrape.value("tokens_total", model=model, direction=kind[0], modality=kind[1])
            for kind in KINDS
        }
        prompt = sum(count for kind, count in kinds.items() if kind[0].endswith("input"))
        return Tokens(int(prompt), int(sum(kinds.values()) - prompt))

    def calls(tool: str) -> ToolCalls:
        outcomes = (scrape.value("tool_calls_total", tool=tool, outcome=each) for each in ("ok", "error"))
        return ToolCalls(*map(int, outcomes))

    return Usage(
        models={model: tokens(model) for model in MODELS},
        turns=int(scrape.value("turns_total")),
        interruptions=int(scrape.value("interruptions_total")),
        tool_calls={tool: calls(tool) for tool in TOOLS},
        talk_seconds=TalkSeconds(
            *(scrape.value("talk_seconds_total", side=side) for side in ("caller", "bot"))
        ),
    )


def is_within(one: Usage, other: Usage) -> bool:
    """Whether nothing in `one` is more than it is in `other`."""
    return beyond(together(one, _ALL), together(other, _ALL)) == NOTHING


_ALL = Usage(models=dict.fromkeys(MODELS, Tokens()), tool_calls=dict.fromkeys(TOOLS, ToolCalls()))
"""Nothing, by all its names."""


class Counting(RuleBasedStateMachine):
    """One bot and its controllers, one after the other; each has its own counters, scraped before it dies."""

    @initialize(is_killed=st.booleans())
    def launch(self, is_killed: bool) -> None:  # noqa: FBT001 - Hypothesis gives it by name
        self.is_killed = is_killed
        self.uptime = 0.0
        self.bot = BotLedger(lambda: self.uptime)
        self.sent: list[Report] = []
        self.answers: list[int] = []
        self.former = NOTHING
        self.repeatable = NOTHING
        self.word: LastWord | None = None
        self.begin(Ledger())

    def begin(self, ledger: Ledger) -> None:
        self.ledger, self.record, self.metrics = ledger, NOTHING, some_metrics()
        self.before = NOTHING

    def counted(self) -> Usage:
        """By all controllers."""
        return together(self.former, shown(self.metrics))

    @rule(events=st.lists(EVENTS, min_size=1, max_size=4))
    def something_happens(self, events: list[Event]) -> None:
        for event in events:
            self.uptime += 1
            self.bot.record(event)

    @rule()
    def bot_sends(self) -> None:
        self.sent.append(msgspec.json.decode(msgspec.json.encode(self.bot.report()), type=Report))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def batch_arrives(self, data: st.DataObject) -> None:
        """Any of the batch under way, late or again; of those before, where this controller knows of them."""
        report = data.draw(st.sampled_from(self.sent))
        if report.seq <= self.bot.acked and self.ledger.counted < report.seq:
            return  # a request that outlived its controller: no new one has its connection
        if self.ledger.count(report):
            self.record = furthest(self.record, report.totals)
            self.metrics.batch_added(SESSION, report, self.ledger.last)
        else:
            self.metrics.batch_repeated()
        self.answers.append(self.ledger.counted)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def answer_arrives(self, data: st.DataObject) -> None:
        self.bot.acknowledge(data.draw(st.sampled_from(self.answers)))

    @rule()
    def controller_is_killed(self) -> None:
        """What it had counted and not acknowledged, the bot sends to the next one."""
        if self.ledger.counted > self.bot.acked:
            self.repeatable = together(self.repeatable, self.ledger.last)
        self.former = self.counted()
        self.begin(Ledger(is_whole=False))

    @rule()
    def bot_decides_to_end(self) -> None:
        """Its first last word; reports go on, and it may be killed before it writes another."""
        self.word = last_word(self.bot, Reason.COMPLETED, "Bye.")

    @invariant()
    def counters_never_go_down(self) -> None:
        if hasattr(self, "metrics"):
            now = shown(self.metrics)
            assert is_within(self.before, now)
            self.before = now

    @invariant()
    def nothing_is_counted_that_was_not_used(self) -> None:
        """But for one batch of each controller that was killed between counting and acknowledging it."""
        if hasattr(self, "bot"):
            assert is_within(self.counted(), together(self.bot.totals, self.repeatable))

    def teardown(self) -> None:
        """The bot is gone: with a last word of this moment, or killed with what it had left before."""
        if not hasattr(self, "bot"):
            return
        if not self.is_killed:
            self.word = last_word(self.bot, Reason.COMPLETED, "Bye.")
        word = msgspec.json.decode(msgspec.json.encode(self.word), type=LastWord) if self.word else None
        self.record = furthest(self.record, word.totals) if word else self.record
        self.metrics.usage.add(SESSION, self.ledger.uncounted(self.record, word))
        if self.ledger.is_whole:
            assert shown(self.metrics) == together(self.record, _ALL)
        if not self.is_killed:
            assert is_within(self.bot.totals, self.counted())
        self.nothing_is_counted_that_was_not_used()


TestCounting = Counting.TestCase
TestCounting.settings = settings(max_examples=150, stateful_step_count=40)


def turns_report(seq: int, acked: int, turns: int, so_far: int) -> Report:
    return Report(seq, acked, [TurnEnded()] * turns, Usage(turns=so_far), BotTimeline(now=1.0))


def test_a_controller_killed_before_it_acknowledged_costs_that_one_batch_twice() -> None:
    """The counters of both together repeat it, as the design says; the record is exact."""
    former, next_one = some_metrics(), some_metrics()
    for ledger, metrics in ((Ledger(), former), (Ledger(is_whole=False), next_one)):
        report = turns_report(1, 0, turns=3, so_far=3)
        assert ledger.count(report)
        metrics.batch_added(SESSION, report, ledger.last)
    word = LastWord("completed", "Bye.", Usage(turns=4), Usage(turns=3), BotTimeline(now=9), acked=1)
    next_one.usage.add(SESSION, ledger.uncounted(word.totals, word))

    both = Scrape(former.registry).value("turns_total") + Scrape(next_one.registry).value("turns_total")
    assert both == word.totals.turns + 3


@pytest.mark.parametrize(
    ("acked", "acked_turns", "missing"),
    [
        (4, 7, 2),  # all that came here is known to the bot as counted
        (3, 5, 2),  # the last batch's acknowledgement never came
        (None, 7, 2),  # a bot that does not tell
        (2, 4, 2),  # a word from before the first batch that came here
    ],
)
def test_of_a_session_taken_over_what_is_missing_is_told_by_its_last_word(
    acked: int | None, acked_turns: int, missing: int
) -> None:
    """Another controller has counted four turns in two batches; two came here; two turns are in none."""
    ledger = Ledger(is_whole=False)
    ledger.count(turns_report(3, 2, turns=1, so_far=5))
    ledger.count(turns_report(4, 3, turns=2, so_far=7))
    word = LastWord(
        "completed", "", Usage(turns=9), Usage(turns=acked_turns), BotTimeline(now=9), acked=acked
    )

    assert ledger.uncounted(word.totals, word) == Usage(turns=missing)


def test_of_a_session_taken_over_that_left_no_word_nothing_is_added() -> None:
    ledger = Ledger(is_whole=False)
    ledger.count(turns_report(3, 2, turns=1, so_far=9))

    assert ledger.uncounted(Usage(turns=9), None) == Usage()
