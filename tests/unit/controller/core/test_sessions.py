"""A session only ever moves forward."""

from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.core.endings import ending_for
from controller.core.session import SUCCESSORS, Ending, Session, Timeline
from podline.contract.reasons import Phase, Reason

START = datetime(2026, 1, 1, tzinfo=UTC)
MARKS = [each.name for each in fields(Timeline) if each.name not in ("accepted", "ended")]


def a_session() -> Session:
    return Session(
        id="s",
        user_id="ana",
        launch_id="l",
        request_hash="h",
        room_provider="webrtc",
        max_duration_seconds=60,
        timeline=Timeline(accepted=START),
    )


class Life(RuleBasedStateMachine):
    """News in any order, late and twice, as watches and bots bring them."""

    def __init__(self) -> None:
        super().__init__()
        self.session = a_session()
        self.now = START
        self.first_ending: tuple[Ending, datetime] | None = None
        self.marks: dict[str, datetime] = {}

    def become(self, session: Session) -> None:
        if session.phase is not self.session.phase:
            assert session.phase in SUCCESSORS[self.session.phase]
        self.session = session
        self.now += timedelta(seconds=1)

    @rule(phase=st.sampled_from([Phase.STARTING, Phase.LIVE, Phase.STOPPING]))
    def move(self, phase: Phase) -> None:
        self.become(self.session.moved(phase))

    @rule(name=st.sampled_from(MARKS))
    def mark(self, name: str) -> None:
        self.become(self.session.marked(**{name: self.now}))
        self.marks.setdefault(name, getattr(self.session.timeline, name))

    @rule(reason=st.sampled_from(Reason))
    def end(self, reason: Reason) -> None:
        if self.first_ending is None:
            self.first_ending = (ending_for(reason), self.now)
        self.become(self.session.ended(ending_for(reason), self.now))

    @invariant()
    def each_moment_stays_as_it_was_first_told(self) -> None:
        assert {name: getattr(self.session.timeline, name) for name in self.marks} == self.marks

    @invariant()
    def its_steps_are_in_order(self) -> None:
        moments = [at for at in astuple(self.session.timeline) if at is not None]
        assert moments == sorted(moments)

    @invariant()
    def only_an_end_has_a_reason(self) -> None:
        assert (self.session.ending is not None) == self.session.phase.is_end

    @precondition(lambda self: self.first_ending is not None)
    @invariant()
    def the_first_end_is_the_end(self) -> None:
        assert (self.session.ending, self.session.timeline.ended) == self.first_ending
        assert self.session.ending is not None
        assert self.session.phase is self.session.ending.reason.phase

    @precondition(lambda self: self.session.phase is Phase.STARTING)
    @invariant()
    def a_bot_that_has_joined_is_not_starting_any_more(self) -> None:
        assert self.session.timeline.joined is None


TestLife = Life.TestCase


def test_a_pod_that_is_seen_before_its_launch_is_answered_was_launched_by_then() -> None:
    seen, answered = START + timedelta(seconds=1), START + timedelta(seconds=2)

    timeline = a_session().marked(scheduled=seen).marked(launched=answered).timeline

    assert (timeline.launched, timeline.scheduled) == (seen, seen)
