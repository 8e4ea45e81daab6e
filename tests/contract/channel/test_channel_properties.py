"""The bot's ledger and the controller's, with a network between them that does what networks do."""

from collections import Counter
from functools import reduce

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controller.supervision.channel.report_ledger import ReportLedger, furthest
from podline.contract.arithmetic import plus
from podline.contract.encoding import encode
from podline.contract.messages import Event, Report, Talked, TokensUsed, ToolCalled, TurnEnded
from podline.contract.reading import read_report
from podline.contract.usage import Tokens, Usage
from podline.runner.channel.outbox import Outbox

EVENTS = st.one_of(
    st.builds(TokensUsed, model=st.sampled_from("ab"), tokens=st.builds(Tokens, st.integers(0, 50))),
    st.builds(
        ToolCalled, name=st.sampled_from("xy"), outcome=st.sampled_from(["ok", "error"]), seconds=st.just(1.0)
    ),
    st.builds(Talked, side=st.sampled_from(["caller", "bot"]), seconds=st.integers(0, 9).map(float)),
    st.builds(TurnEnded),
)


def used_by(events: list[Event]) -> Usage:
    return reduce(plus, events, Usage())


class Channel(RuleBasedStateMachine):
    """One bot's reports on their way to one controller, which may be started anew with an empty memory.

    A batch that was sent may arrive at any time from then on, once or often or never, and so may its answer.
    """

    @initialize()
    def launch(self) -> None:
        self.uptime = 0.0
        self.bot = Outbox(lambda: self.uptime)
        self.all_events: list[Event] = []
        self.sent: list[Report] = []
        self.answers: list[int] = []
        self.counted: Counter[int] = Counter()
        self.restarts = 0
        self.ledger = ReportLedger()
        self.record = Usage()

    @rule(event=EVENTS)
    def something_happens(self, event: Event) -> None:
        self.uptime += 1
        self.bot.record(event)
        self.all_events.append(event)

    @rule()
    def bot_sends(self) -> None:
        self.sent.append(read_report(encode(self.bot.report()))[0])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def batch_arrives(self, data: st.DataObject) -> None:
        """Any that was ever sent: late, again, or out of order."""
        report = data.draw(st.sampled_from(self.sent))
        if self.ledger.count(report):
            self.counted[report.seq] += 1
            self.record = furthest(self.record, report.totals)
        self.answers.append(self.ledger.counted)

    @precondition(lambda self: self.answers)
    @rule(data=st.data())
    def answer_arrives(self, data: st.DataObject) -> None:
        self.bot.acknowledge(data.draw(st.sampled_from(self.answers)))

    @rule()
    def controller_is_started_anew(self) -> None:
        self.restarts += 1
        self.ledger, self.record = ReportLedger(), Usage()

    @invariant()
    def no_batch_is_counted_twice_by_one_controller(self) -> None:
        assert all(times <= 1 + self.restarts for times in self.counted.values())

    @invariant()
    def what_the_bot_takes_for_counted_was_counted(self) -> None:
        batches = {report.seq: report.events for report in self.sent}
        counted = [event for seq in self.counted for event in batches[seq]]
        assert furthest(used_by(counted), self.bot.acked_totals) == used_by(counted)

    @invariant()
    def a_repeated_batch_is_the_batch_it_was(self) -> None:
        batches = {(report.seq, encode(report.events)) for report in self.sent}
        assert len(batches) == len({report.seq for report in self.sent})

    @invariant()
    def the_record_never_says_more_than_there_was(self) -> None:
        assert self.bot.totals == used_by(self.all_events)
        assert furthest(self.bot.totals, self.record) == self.bot.totals

    def teardown(self) -> None:
        """With a network that works again, one exchange after the other settles everything."""
        if not hasattr(self, "bot"):
            return
        while not self.bot.is_settled:
            report = self.bot.report()
            if self.ledger.count(report):
                self.counted[report.seq] += 1
                self.sent.append(report)
                self.record = furthest(self.record, report.totals)
            assert self.bot.acknowledge(self.ledger.counted)
        assert self.bot.acked_totals == self.bot.totals
        batches = {report.seq: report.events for report in self.sent}
        assert used_by([event for seq in self.counted for event in batches[seq]]) == self.bot.totals


TestChannel = Channel.TestCase
TestChannel.settings = settings(max_examples=150, stateful_step_count=40)
