"""What metrics say of a bot's usage, whatever network, bot and controller do to its reports."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from prometheus_client import CollectorRegistry
from pydantic import TypeAdapter

from controller.core.session import Session, Timeline
from controller.observe.labels import BoundedValues, Declared
from controller.observe.prices import KINDS
from controller.observe.usage_metrics import UsageMetrics
from controller.supervision.channel.report_ledger import ReportLedger, furthest
from podline.contract.arithmetic import NOTHING, OTHER, beyond, together
from podline.contract.encoding import decode, encode
from podline.contract.messages import (
    BotTimeline,
    Event,
    FinalReport,
    Interrupted,
    Report,
    Synthesized,
    Talked,
    TokensUsed,
    ToolCalled,
    Transcribed,
    TurnEnded,
)
from podline.contract.reasons import Reason
from podline.contract.usage import ModelUsage, TalkSeconds, Tokens, ToolCalls, Usage, service_key
from podline.runner.channel.final_report import final_report
from podline.runner.channel.outbox import Outbox
from testing.fakes.controllers.metered import Scrape, some_metrics
from tests.searching import narrow_or_wide

MODELS = ("a", "b")
SERVICES = ("S", "T")
PAIRS = tuple(itertools.product(SERVICES, MODELS))
FEW_TOOLS = ("x", "y")
MANY_TOOLS = tuple(f"{number:02}".ljust(120, "t") for number in range(16))
"""Too much for a final report, which then sums them up."""

PLAIN_EVENTS = st.one_of(
    st.builds(
        TokensUsed,
        model=st.sampled_from(MODELS),
        tokens=st.builds(Tokens, *[st.integers(0, 50)] * 2),
        service=st.sampled_from((None, *SERVICES)),
    ),
    st.builds(
        Transcribed,
        model=st.sampled_from(MODELS),
        seconds=st.integers(0, 9).map(float),
        service=st.sampled_from((None, *SERVICES)),
    ),
    st.builds(
        Synthesized,
        model=st.sampled_from(MODELS),
        characters=st.integers(0, 50),
        service=st.sampled_from((None, *SERVICES)),
    ),
    st.builds(Talked, side=st.sampled_from(["caller", "bot"]), seconds=st.integers(0, 9).map(float)),
    st.builds(TurnEnded),
    st.builds(Interrupted),
)


def tool_calls(names: tuple[str, ...]) -> st.SearchStrategy[ToolCalled]:
    outcomes = st.sampled_from(["ok", "error"])
    return st.builds(ToolCalled, name=st.sampled_from(names), outcome=outcomes, seconds=st.just(1.0))


SESSION = Session(
    id="a-session",
    user_id="ana",
    launch_id="a-launch",
    request_hash="",
    room_provider="webrtc",
    max_duration_seconds=60,
    timeline=Timeline(accepted=datetime(2026, 1, 1, tzinfo=UTC)),
)


DECLARED = Declared(tools=(*FEW_TOOLS, *MANY_TOOLS), models=MODELS, services=SERVICES)


def shown(registry: CollectorRegistry) -> Usage:
    """Usage as the counters have it; the parts of prompt and completion are left out."""
    scrape = Scrape(registry)

    def used(**labels: str) -> ModelUsage:
        kinds = {
            kind: scrape.total("tokens_total", direction=kind[0], modality=kind[1], **labels)
            for kind in KINDS
        }
        prompt = sum(count for kind, count in kinds.items() if kind[0].endswith("input"))
        return ModelUsage(
            int(prompt),
            int(sum(kinds.values()) - prompt),
            audio_seconds=scrape.total("transcribed_seconds_total", **labels),
            characters=int(scrape.total("synthesized_characters_total", **labels)),
        )

    def calls(tool: str) -> ToolCalls:
        outcomes = (scrape.value("tool_calls_total", tool=tool, outcome=each) for each in ("ok", "error"))
        return ToolCalls(*map(int, outcomes))

    return Usage(
        models={model: used(model=model) for model in MODELS},
        services={service_key(*pair): used(service=pair[0], model=pair[1]) for pair in PAIRS},
        turns=int(scrape.total("turns_total")),
        interruptions=int(scrape.total("interruptions_total")),
        tool_calls={tool: calls(tool) for tool in (*FEW_TOOLS, *MANY_TOOLS, OTHER)},
        talk_seconds=TalkSeconds(
            *(scrape.value("talk_seconds_total", side=side) for side in ("caller", "bot"))
        ),
    )


def is_within(one: Usage, other: Usage) -> bool:
    """Whether nothing in `one` is more than it is in `other`; tools may be summed up in either."""
    return beyond(plain(one), plain(other)) == NOTHING


def plain(usage: Usage) -> Usage:
    calls = usage.tool_calls.values()
    summed = ToolCalls(sum(each.ok for each in calls), sum(each.error for each in calls))
    models = {model: usage.models.get(model, ModelUsage()) for model in MODELS}
    services = {key: usage.services.get(key, ModelUsage()) for key in itertools.starmap(service_key, PAIRS)}
    return replace(usage, tool_calls={OTHER: summed}, models=models, services=services)


def sent(message: Report | FinalReport) -> Any:
    """As it arrives at the other side."""
    return decode(TypeAdapter(type(message)), encode(message))


SELDOM = st.integers(0, 9)
"""0 is when it happens, so that runs are long."""


class Counting(RuleBasedStateMachine):
    """One bot and its controllers, one after the other; each has its own counters, scraped before it dies.

    Requests and answers are lost, late, repeated and overtaken. Bots freeze, which is to have no answer
    arrive, and are killed; some write their early final report once, as older ones do.
    """

    @initialize(
        tools=st.sampled_from([FEW_TOOLS, MANY_TOOLS]), is_older=st.booleans(), is_killed=st.booleans()
    )
    def launch(self, *, tools: tuple[str, ...], is_older: bool, is_killed: bool) -> None:
        self.is_killed = is_killed
        self.tools = tools
        self.is_older = is_older
        self.uptime = 0.0
        self.bot = Outbox(lambda: self.uptime)
        self.is_bot_here = True
        self.sent: list[Report] = []
        self.answers: list[int] = []
        self.former = NOTHING
        self.repeatable = NOTHING
        self.report: FinalReport | None = None
        self.begin(ReportLedger())

    def begin(self, ledger: ReportLedger) -> None:
        self.ledger, self.record = ledger, NOTHING
        self.registry = CollectorRegistry()
        self.metrics = UsageMetrics(self.registry, None, DECLARED, BoundedValues())
        self.here = shown(self.registry)
        """What the counters of this controller show."""

    def counted(self) -> Usage:
        """By all controllers."""
        return together(self.former, self.here)

    def add(self, usage: Usage) -> None:
        self.metrics.add(SESSION, usage)
        before, self.here = self.here, shown(self.registry)
        assert is_within(before, self.here)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        if not self.is_bot_here:
            return
        for event in data.draw(st.lists(PLAIN_EVENTS | tool_calls(self.tools), min_size=1, max_size=4)):
            self.uptime += 1
            self.bot.record(event)

    @rule()
    def all_tools_are_used(self) -> None:
        for name in self.tools if self.is_bot_here else ():
            self.bot.record(ToolCalled(name, "ok", 1.0))

    @rule()
    def bot_sends(self) -> None:
        if self.is_bot_here:
            self.sent.append(sent(self.bot.report()))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def batch_arrives(self, data: st.DataObject) -> None:
        """Any of the batch under way, late or again; of those before, where this controller knows of them."""
        self.arrives(data.draw(st.sampled_from(self.sent)))

    def arrives(self, report: Report) -> None:
        if report.seq <= self.bot.acked and self.ledger.counted < report.seq:
            return  # a request that outlived its controller: no new one has its connection
        if self.ledger.count(report):
            self.record = furthest(self.record, report.totals)
            self.add(self.ledger.last)
        self.answers.append(self.ledger.counted)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def answer_arrives(self, data: st.DataObject) -> None:
        if self.is_bot_here:
            self.bot.acknowledge(data.draw(st.sampled_from(self.answers)))

    @rule(events=st.lists(PLAIN_EVENTS, max_size=2))
    def all_goes_well(self, events: list[Event]) -> None:
        if self.is_bot_here:
            for event in events:
                self.bot.record(event)
            self.sent.append(sent(self.bot.report()))
            self.arrives(self.sent[-1])
            self.bot.acknowledge(self.answers[-1])

    @rule()
    def batch_is_refused(self) -> None:
        """A controller that can't read it; none has counted it, since all are alike in that."""
        if not (self.is_bot_here and self.sent):
            return
        if self.ledger.counted < self.bot.report().seq and self.is_unseen(self.bot.report()):
            self.sent = [report for report in self.sent if report.seq < self.bot.report().seq]
            self.bot.give_up()

    def is_unseen(self, report: Report) -> bool:
        return max(self.answers, default=0) < report.seq

    @rule()
    def controller_is_killed(self) -> None:
        """What it had counted and not acknowledged, the bot sends to the next one."""
        if self.ledger.counted > self.bot.acked:
            self.repeatable = together(self.repeatable, self.ledger.last)
        self.former = self.counted()
        self.begin(ReportLedger(is_whole=False))

    @rule()
    def bot_decides_to_end(self) -> None:
        """Its first final report; it goes on, and may be killed before it writes the last one."""
        if not self.is_bot_here or self.report is not None:
            return
        self.write_early()
        if not self.is_older:
            self.bot.on_acknowledged = self.write_early

    def write_early(self) -> None:
        self.report = final_report(self.bot, Reason.COMPLETED, "Bye.", is_final=False)

    @rule(days=SELDOM)
    def bot_is_killed(self, days: int) -> None:
        """What it has sent may still arrive, and its controllers may be killed before they see the end."""
        if not days:
            self.is_bot_here = False

    @rule(days=SELDOM)
    def bot_leaves(self, days: int) -> None:
        if not days and self.is_bot_here:
            self.leave()

    def leave(self) -> None:
        self.is_bot_here = False
        self.report = final_report(self.bot, Reason.COMPLETED, "Bye.")

    @invariant()
    def nothing_is_counted_that_was_not_used(self) -> None:
        """But for one batch of each controller that was killed between counting and acknowledging it."""
        if hasattr(self, "bot"):
            assert is_within(self.counted(), together(self.bot.totals, self.repeatable))

    def teardown(self) -> None:
        """The controller that is left sees that the bot is gone, and what it has left."""
        if not hasattr(self, "bot"):
            return
        if self.is_bot_here and not self.is_killed:
            self.leave()
        report = sent(self.report) if self.report else None
        self.record = furthest(self.record, report.totals) if report else self.record
        self.add(self.ledger.uncounted(self.record, report))
        if self.ledger.is_whole:
            assert plain(self.here) == plain(self.record)
        if report and report.is_final:
            assert plain(self.record) == plain(self.bot.totals)
            assert is_within(self.bot.totals, self.counted())
        self.nothing_is_counted_that_was_not_used()


TestCounting = Counting.TestCase
TestCounting.settings = narrow_or_wide(max_examples=200, stateful_step_count=40)


def turns_report(seq: int, acked: int, turns: int, so_far: int) -> Report:
    return Report(seq, acked, [TurnEnded()] * turns, Usage(turns=so_far), BotTimeline(now=1.0))


def test_a_controller_killed_before_it_acknowledged_costs_that_one_batch_twice() -> None:
    """The counters of both together repeat it, as the design says; the record is exact."""
    former, next_one = some_metrics(), some_metrics()
    for ledger, metrics in ((ReportLedger(), former), (ReportLedger(is_whole=False), next_one)):
        report = turns_report(1, 0, turns=3, so_far=3)
        assert ledger.count(report)
        metrics.batch_added(SESSION, report, ledger.last)
    last = FinalReport("completed", "Bye.", Usage(turns=4), Usage(turns=3), BotTimeline(now=9), acked=1)
    next_one.usage.add(SESSION, ledger.uncounted(last.totals, last))

    both = Scrape(former.registry).total("turns_total") + Scrape(next_one.registry).total("turns_total")
    assert both == last.totals.turns + 3


@pytest.mark.parametrize(
    ("acked", "acked_turns", "missing"),
    [
        (4, 7, 2),  # all that came here is known to the bot as counted
        (3, 5, 2),  # the last batch's acknowledgement never came
        (None, 7, 2),  # a bot that does not tell
        (2, 4, 2),  # a report from before the first batch that came here
    ],
)
def test_of_a_session_taken_over_what_is_missing_is_told_by_its_final_report(
    acked: int | None, acked_turns: int, missing: int
) -> None:
    """Another controller has counted four turns in two batches; two came here; two turns are in none."""
    ledger = ReportLedger(is_whole=False)
    ledger.count(turns_report(3, 2, turns=1, so_far=5))
    ledger.count(turns_report(4, 3, turns=2, so_far=7))
    report = FinalReport(
        "completed", "", Usage(turns=9), Usage(turns=acked_turns), BotTimeline(now=9), acked=acked
    )

    assert ledger.uncounted(report.totals, report) == Usage(turns=missing)


def test_of_a_session_taken_over_that_left_no_word_nothing_is_added() -> None:
    ledger = ReportLedger(is_whole=False)
    ledger.count(turns_report(3, 2, turns=1, so_far=9))

    assert ledger.uncounted(Usage(turns=9), None) == Usage()


def early_report(totals: Usage, acked_totals: Usage, acked: int | None) -> FinalReport:
    """Left when the end was decided; then the bot was killed."""
    return FinalReport(
        "completed", "Bye.", totals, acked_totals, BotTimeline(now=9), acked=acked, is_final=False
    )


def test_a_call_acknowledged_after_an_early_final_report_is_not_counted_by_the_next_controller() -> None:
    """Used once, reported early, sent, acknowledged; then controller and bot are killed."""
    report = early_report(Usage(turns=1), Usage(), acked=0)
    former, next_one = ReportLedger(), ReportLedger(is_whole=False)
    assert former.count(turns_report(1, 0, turns=1, so_far=1))

    assert next_one.uncounted(report.totals, report) == NOTHING


def test_batches_counted_between_an_early_final_report_and_the_last_controller_are_not_counted_again() -> (
    None
):
    """The first controller counted batches 1 and 2 after that; the next one heard batch 3 only."""
    report = early_report(Usage(turns=4), Usage(), acked=0)
    last = ReportLedger(is_whole=False)
    assert last.count(turns_report(3, 2, turns=1, so_far=7))

    assert last.uncounted(Usage(turns=7), report) == NOTHING


def test_an_early_final_report_from_the_time_of_the_last_controller_tells_what_is_missing() -> None:
    last = ReportLedger(is_whole=False)
    assert last.count(turns_report(3, 2, turns=1, so_far=7))
    assert last.count(turns_report(4, 3, turns=2, so_far=9))
    report = early_report(Usage(turns=10), Usage(turns=7), acked=3)

    assert last.uncounted(report.totals, report) == Usage(turns=1)


def test_an_early_final_report_of_a_bot_that_tells_no_number_is_taken_as_outdated() -> None:
    last = ReportLedger(is_whole=False)
    assert last.count(turns_report(3, 2, turns=1, so_far=7))
    report = early_report(Usage(turns=8), Usage(turns=6), acked=None)

    assert last.uncounted(report.totals, report) == NOTHING


def test_a_batch_given_up_before_the_last_one_does_not_hide_what_is_missing() -> None:
    """Batch 4 was refused and is left to the final report; batch 5 was counted and its answer never came."""
    last = ReportLedger(is_whole=False)
    assert last.count(turns_report(3, 2, turns=1, so_far=7))
    assert last.count(turns_report(5, 3, turns=2, so_far=12))
    report = FinalReport("completed", "", Usage(turns=12), Usage(turns=7), BotTimeline(now=9), acked=3)

    assert last.uncounted(report.totals, report) == Usage(turns=3)


def test_a_final_report_that_sums_tools_up_adds_nothing_that_was_acknowledged_by_name() -> None:
    """A tool named `other` is in both, and the record has all by their names: the sums are compared."""
    by_name = Usage(tool_calls={"x": ToolCalls(ok=3), OTHER: ToolCalls(ok=2)})
    summed_up = Usage(tool_calls={OTHER: ToolCalls(ok=5)})
    report = FinalReport("completed", "", summed_up, summed_up, BotTimeline(now=9), acked=1)

    assert ReportLedger(is_whole=False).uncounted(by_name, report) == NOTHING


def test_a_bot_on_its_way_out_keeps_its_early_final_report_up_to_date() -> None:
    """What was acknowledged survives its controller in the bot's own file."""
    bot, words = Outbox(lambda: 1.0), []
    bot.on_acknowledged = lambda: words.append(final_report(bot, Reason.IDLE, "", is_final=False))
    bot.record(TurnEnded())
    bot.report()
    bot.record(TurnEnded())
    assert bot.acknowledge(1)

    assert [(report.acked, report.acked_totals, report.totals) for report in words] == [
        (1, Usage(turns=1), Usage(turns=2))
    ]
