"""A record changes by events, in whatever order they arrive, and never against its rules."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.core.endings import ending_for
from controller.core.errors import LaunchEnded, RuntimeUnavailable, UnknownOutcome
from controller.core.rooms import Room
from controller.core.runtime import Launch
from controller.core.session import SUCCESSORS, Diagnostics, Ending, Session
from controller.supervision.record import Record
from podline.contract.messages import StopMessage
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage
from testing.fakes.controllers.sessions import some_session

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ENDINGS = st.sampled_from(Reason).map(ending_for)
SECONDS = st.integers(0, 100)
READABLE = [name for name, member in vars(Record).items() if isinstance(member, property)]


def launch_of(session: Session) -> Launch:
    return Launch(session=session, environment={}, secrets={}, deadline_seconds=60)


class Events(RuleBasedStateMachine):
    """Events in any order, as they come from callers, bots, the runtime and the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.record = Record(some_session("launch-1"), 0.0)
        self.published = [self.record.session]
        self.record.registered(lambda record: self.published.append(record.session))
        self.now = 0.0
        self.previous = self.record.session
        self.first_intent: Ending | None = None
        self.first_end: tuple[Session, float] | None = None

    @property
    def at(self) -> datetime:
        return BEGIN + timedelta(seconds=self.now)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def the_room_is_opened(self) -> None:
        self.record.room_opened(
            Room(name="room", url="https://rooms.example/1", caller_token=None, environment={}, secrets={})
        )

    @rule()
    def the_runtime_is_asked(self) -> None:
        before = self.record.attempts
        self.record.handed_over(self.now)
        assert self.record.attempts == before + 1
        assert (self.record.unknown_outcome, self.record.launch_to_repeat) == (None, None)

    @precondition(lambda self: self.record.attempts)
    @rule()
    def the_runtime_accepts(self) -> None:
        self.record.launched(self.at)

    @precondition(lambda self: self.record.attempts)
    @rule()
    def the_runtime_does_not_answer(self) -> None:
        launch, error = launch_of(self.record.session), UnknownOutcome()
        self.record.outcome_unknown(launch, error)
        assert self.record.unknown_outcome is error
        assert (self.record.launch_to_repeat is launch) == (self.first_end is None)
        assert (self.record.open_outcome is error) == (self.first_intent is None and self.first_end is None)

    @rule()
    def the_runtime_refuses(self) -> None:
        error = RuntimeUnavailable("No.")
        self.record.refused(error)
        assert self.record.refusal is error

    @rule()
    def the_pod_is_scheduled(self) -> None:
        self.record.scheduled(self.at)

    @rule(turns=SECONDS, has_joined=st.booleans(), acked=st.none() | st.booleans())
    def the_bot_reports(self, turns: int, has_joined: bool, acked: bool | None) -> None:  # noqa: FBT001 - drawn
        self.record.heard(self.now)
        moments = {"joined": self.at} if has_joined else {}
        self.record.reported(moments, Usage(turns=turns), first_speech_acked=acked)
        assert self.first_end is not None or self.record.session.usage.turns == turns

    @rule(intent=ENDINGS)
    def it_is_asked_to_leave(self, intent: Ending) -> None:
        self.record.stopping(intent)
        if self.first_end is None:
            self.first_intent = self.first_intent or intent
            assert self.record.session.phase is Phase.STOPPING

    @rule(ending=ENDINGS)
    def it_ends(self, ending: Ending) -> None:
        is_first = self.first_end is None
        diagnostics = Diagnostics(log=("the end",))
        assert self.record.ended(ending, at=self.at, now=self.now, diagnostics=diagnostics) is is_first
        if is_first:
            assert self.record.session.ending == ending
            assert (self.record.session.diagnostics is not None) == (ending.reason.phase is Phase.FAILED)
            self.first_end = (self.record.session, self.now)

    @invariant()
    def phases_only_move_forward(self) -> None:
        phase, before = self.record.session.phase, self.previous.phase
        assert phase is before or phase in SUCCESSORS[before]
        self.previous = self.record.session

    @invariant()
    def nothing_changes_after_the_end(self) -> None:
        if self.first_end is not None:
            assert (self.record.session, self.record.ended_at) == self.first_end
            assert self.record.launch_to_repeat is None

    @invariant()
    def the_first_intent_stays(self) -> None:
        assert self.record.intent == self.first_intent

    @invariant()
    def an_outcome_is_open_only_while_the_caller_can_adopt_it(self) -> None:
        if self.record.open_outcome is not None:
            assert self.first_intent is None
            assert self.first_end is None
            assert self.record.launch_to_repeat is not None

    @invariant()
    def the_registry_sees_each_change_once(self) -> None:
        assert all(one != other for one, other in zip(self.published, self.published[1:], strict=False))
        assert self.published[-1] is self.record.session


TestEvents = Events.TestCase


@pytest.mark.parametrize("name", READABLE)
def test_what_is_read_can_not_be_set_from_outside(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Record(some_session("launch-1"), 0.0), name, None)


async def test_a_bot_that_is_asked_to_leave_finds_a_stop_in_its_inbox_and_after_the_end_nothing() -> None:
    record = Record(some_session("launch-1"), 0.0)
    record.stopping(ending_for(Reason.IDLE))
    record.stopping(ending_for(Reason.STOPPED))

    [message] = await record.inbox.poll(None, 0)
    assert isinstance(message, StopMessage)
    assert message.reason == "idle"

    record.ended(ending_for(Reason.IDLE), at=BEGIN, now=1.0)
    with pytest.raises(LaunchEnded):
        await record.inbox.poll(None, 0)


async def test_who_waits_for_a_launch_goes_on_when_it_is_settled_and_not_while_it_is_made_again() -> None:
    record = Record(some_session("launch-1"), 0.0)
    making = asyncio.create_task(asyncio.sleep(0))
    record.launch_started(making)
    waiting = asyncio.create_task(record.until_settled())
    await asyncio.sleep(0)
    record.settled()
    record.launch_started(making)
    await asyncio.sleep(0)
    assert not waiting.done()

    record.refused(RuntimeUnavailable("No."))
    record.settled()
    await asyncio.wait_for(waiting, 1)
    assert str(record.refusal) == "No."


async def test_who_waits_for_the_end_goes_on_at_the_end() -> None:
    record = Record(some_session("launch-1"), 0.0)
    waiting = asyncio.create_task(record.until_ended())
    await asyncio.sleep(0)
    assert not waiting.done()

    record.ended(ending_for(Reason.CALLER_LEFT), at=BEGIN, now=1.0)
    await asyncio.wait_for(waiting, 1)


def test_time_in_which_we_were_held_up_does_not_count_and_what_was_not_launched_has_none() -> None:
    record = Record(some_session("launch-1"), 0.0)
    record.we_were_held_up(10)
    assert record.launched_at is None

    record.handed_over(5.0)
    record.we_were_held_up(10)
    assert record.launched_at == 15.0


@pytest.mark.parametrize(
    ("has_joined", "acked", "is_measured"),
    [(False, True, False), (True, True, True), (True, False, False), (True, None, None)],
)
def test_an_adopted_start_may_have_been_measured_by_another_controller(
    has_joined: bool,  # noqa: FBT001 - cases
    acked: bool | None,  # noqa: FBT001 - cases
    is_measured: bool | None,  # noqa: FBT001 - cases
) -> None:
    session = some_session("launch-1").marked(joined=BEGIN if has_joined else None)
    record = Record.adopted(session, accepted_at=0.0, ended_at=None, now=9.0)
    record.reported({}, Usage(), first_speech_acked=acked)

    assert record.start_is_measured is is_measured
    assert record.heard_at == (9.0 if has_joined else None)
    assert record.is_settled
    assert not record.ledger.is_whole
