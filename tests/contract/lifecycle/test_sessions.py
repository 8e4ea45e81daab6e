"""Sessions through all that callers, bots, their runtime and time can do to them, in any order."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from controller.core.admission import SessionAdmission, SessionLimits
from controller.core.deadlines import Limits
from controller.core.errors import (
    CapacityReached,
    ControllerError,
    LaunchEnded,
    RuntimeUnavailable,
    SessionConflict,
    UnknownOutcome,
    UserLimitReached,
)
from controller.core.primitives.clock import Clock
from controller.core.session import Ending, Session
from controller.core.start_request import StartRequest
from controller.core.tokens import Signer
from controller.rooms.ice import IceServers
from controller.supervision.assignment import Assigner, Personas
from controller.supervision.registry import SessionRegistry
from controller.supervision.supervisor import Supervisor
from podline.contract.messages import FinalReport, TurnEnded
from podline.contract.reasons import EXIT_CODES, TERMINATED, Phase, Reason
from podline.runner.channel.outbox import Outbox
from testing.fakes.controllers.clockwork import Clockwork
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, FakeRuntime

CAPACITY = 4
PER_USER = 3
LIMITS = Limits(start_timeout=3, grace=1, silence=2)
KEEP_SECONDS = 8.0
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

USERS = st.sampled_from(["ana", "bo"])
IDS = st.none() | st.sampled_from(["one", "two", "three"])
REASONS = st.sampled_from([*EXIT_CODES, TERMINATED, Reason.EVICTED, "nonsense"])


class Bot:
    """What a launch is to the test: whether it is still there, and what it knows of itself."""

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.is_there = True
        self.ledger = Outbox(lambda: 1.0)
        self.reported = self.ledger.totals

    def final_report(self, reason: str) -> FinalReport:
        ledger = self.ledger
        return FinalReport(str(reason), "Bye.", ledger.totals, ledger.acked_totals, ledger.timeline)


class Sessions(RuleBasedStateMachine):
    """A supervisor over a runtime whose bots do nothing by themselves: all that happens is a rule."""

    @initialize()
    def serve(self) -> None:
        self.loop = Clockwork()
        self.began = self.loop.time()
        self.runtime, self.rooms = FakeRuntime(), FakeRooms()
        self.runtime.stubborn = True
        ids = iter(range(10_000))
        clock = Clock(
            now=lambda: BEGAN + timedelta(seconds=self.loop.time() - self.began), monotonic=self.loop.time
        )
        self.supervisor = Supervisor(
            runtime=self.runtime,
            rooms=self.rooms,
            registry=SessionRegistry(SessionAdmission(SessionLimits(capacity=CAPACITY, per_user=PER_USER))),
            assigner=Assigner(
                controller_url="http://controller",
                grace_seconds=LIMITS.grace,
                personas=Personas(directory=None),
                signer=Signer(b"a secret for tests"),
                ice=IceServers(clock.now),
            ),
            limits=LIMITS,
            keep_ended_seconds=KEEP_SECONDS,
            clock=clock,
            new_id=lambda: f"id-{next(ids)}",
            metrics=some_metrics(),
        )
        self.bots: dict[str, Bot] = {}
        self.requests: list[asyncio.Task[Any]] = []
        self.endings: dict[str, tuple[Ending, Session]] = {}
        self.last: dict[str, Session] = {}
        self.serving = self.loop.create_task(self.supervisor.run())
        self.do(asyncio.sleep(0))

    def do(self, what: Coroutine[Any, Any, Any]) -> None:
        """Let something be done, and all that follows from it at once."""

        async def and_settle() -> None:
            await what
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(and_settle())
        for launch in self.runtime.launches[len(self.bots) :]:
            self.bots[launch.session.launch_id] = Bot(launch.session.id)

    async def ask(self, request: StartRequest) -> Session | ControllerError:
        try:
            return (await self.supervisor.start(request)).session
        except ControllerError as error:
            return error

    def a_launch(self, data: st.DataObject) -> str:
        """Of a bot that is there or one that has long gone."""
        return data.draw(st.sampled_from(sorted(self.bots)))

    # --- what callers do ---

    @rule(user=USERS, session_id=IDS, seconds=st.sampled_from([4, 6]), times=st.integers(1, 3))
    def somebody_starts(self, user: str, session_id: str | None, seconds: int, times: int) -> None:
        """The same request, more than once at the same time perhaps."""
        request = StartRequest(user_id=user, session_id=session_id, max_duration_seconds=seconds)
        asked = [self.loop.create_task(self.ask(request)) for _ in range(times)]
        self.requests += asked
        self.do(asyncio.sleep(0))
        for answer in (each.result() for each in asked if each.done()):
            if isinstance(answer, ControllerError):
                assert isinstance(
                    answer,
                    CapacityReached
                    | UserLimitReached
                    | SessionConflict
                    | RuntimeUnavailable
                    | UnknownOutcome,
                )

    @precondition(lambda self: self.last)
    @rule(data=st.data(), times=st.integers(1, 2))
    def somebody_stops(self, data: st.DataObject, times: int) -> None:
        session_id = data.draw(st.sampled_from(sorted(self.last)))
        for _ in range(times):
            self.do(self.supervisor.stop(session_id))
            assert self.supervisor.registry.get(session_id).session.phase not in (Phase.STARTING, Phase.LIVE)

    @precondition(lambda self: any(not each.done() for each in self.requests))
    @rule()
    def a_caller_hangs_up(self) -> None:
        next(each for each in self.requests if not each.done()).cancel()
        self.do(asyncio.sleep(0))

    # --- what the runtime does ---

    @rule()
    def launches_take_their_time(self) -> None:
        self.runtime.may_launch.clear()

    @rule()
    def launches_are_taken(self) -> None:
        self.runtime.refusal = None
        self.runtime.may_launch.set()
        self.do(asyncio.sleep(0))

    @rule()
    def launches_fail(self) -> None:
        self.runtime.refusal = RuntimeUnavailable("There is no node.")
        self.runtime.may_launch.set()
        self.do(asyncio.sleep(0))

    @precondition(lambda self: self.bots)
    @rule(
        data=st.data(),
        reason=st.none() | REASONS,
        how=st.sampled_from([{"exit_code": 0}, {"exit_code": 67}, {"signal": 9}, {}]),
    )
    def a_bot_is_gone(self, data: st.DataObject, reason: str | None, how: dict[str, int]) -> None:
        """Seen for the first time, or once more and with another story."""
        launch_id = self.a_launch(data)
        bot = self.bots[launch_id]
        bot.is_there = False
        report = bot.final_report(reason) if reason else None
        was_over = self.over(launch_id)
        self.do(self.runtime.exit(launch_id, final_report=report, **how))
        if not was_over and (record := self.supervisor.registry.by_launch(launch_id)):
            assert record.session.usage == (bot.ledger.totals if report else bot.reported)
            assert record.session.usage_is_partial is (report is None)

    # --- what bots do ---

    @precondition(lambda self: self.bots)
    @rule(data=st.data(), joined=st.booleans(), turns=st.integers(0, 3), arrives=st.booleans())
    def a_bot_reports(self, data: st.DataObject, *, joined: bool, turns: int, arrives: bool) -> None:
        """Also one that nobody waits for any more; and its answer may be lost."""
        launch_id = self.a_launch(data)
        bot = self.bots[launch_id]
        for _ in range(turns):
            bot.ledger.record(TurnEnded())
        if joined:
            bot.ledger.mark("joined")
        try:
            ack = self.supervisor.channel.report(launch_id, bot.ledger.report())
        except LaunchEnded:
            assert self.over(launch_id)
        else:
            assert not self.over(launch_id)
            record = self.supervisor.registry.by_launch(launch_id)
            assert record is not None
            bot.reported = record.session.usage
            if arrives:
                assert bot.ledger.acknowledge(ack)
        self.do(asyncio.sleep(0))

    # --- what time does ---

    @rule(seconds=st.sampled_from([0.1, 1.9, 3.1, 9.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    # --- what always holds ---

    def over(self, launch_id: str) -> bool:
        record = self.supervisor.registry.by_launch(launch_id)
        return record is None or record.session.phase.is_end

    @invariant()
    def a_slot_is_taken_exactly_while_there_is_a_bot_or_may_come_to_be_one(self) -> None:
        running = self.supervisor.registry.running()
        assert len(running) <= CAPACITY
        for user in ("ana", "bo"):
            assert sum(each.session.user_id == user for each in running) <= PER_USER
        with_bot = {launch_id for launch_id, bot in self.bots.items() if bot.is_there}
        awaited = {each.session.launch_id for each in running if not each.is_settled}
        assert {each.session.launch_id for each in running} == with_bot | awaited

    @invariant()
    def exactly_the_bots_of_stopping_sessions_were_asked_to_leave(self) -> None:
        for record in self.supervisor.registry.running():
            if record.is_settled:
                was_asked = record.session.launch_id in self.runtime.stopped
                assert was_asked == (record.session.phase is Phase.STOPPING)

    @invariant()
    def each_launch_was_made_once(self) -> None:
        launches = [launch.session.launch_id for launch in self.runtime.launches]
        assert len(launches) == len(set(launches))

    @invariant()
    def an_end_is_for_good_and_has_one_reason(self) -> None:
        for record in self.supervisor.registry.all():
            session = record.session
            assert (session.ending is not None) == session.phase.is_end
            if session.ending is not None:
                assert session.phase is session.ending.reason.phase
                _, first_seen = self.endings.setdefault(session.launch_id, (session.ending, session))
                assert session == first_seen
            self.last[session.id] = session
        for session_id in [each for each in self.last if self.supervisor.registry.find(each) is None]:
            del self.last[session_id]

    @invariant()
    def it_keeps_serving(self) -> None:
        assert self.supervisor.is_alive()

    def teardown(self) -> None:
        """Whatever has happened: when all bots have gone, all slots are free, and the rooms are closed."""
        if not hasattr(self, "loop"):
            return
        self.launches_are_taken()
        for launch_id, bot in self.bots.items():
            if bot.is_there:
                self.do(self.runtime.exit(launch_id))
        assert self.supervisor.registry.running() == []
        assert len(self.rooms.closed) == len(self.endings.keys() | set(self.bots))
        self.do(asyncio.sleep(KEEP_SECONDS + 1))
        assert self.supervisor.registry.all() == []
        assert all(each.done() for each in self.requests)
        self.serving.cancel()
        self.loop.run_until_complete(asyncio.wait([self.serving]))
        assert asyncio.all_tasks(self.loop) == set()
        self.loop.close()


TestSessions = Sessions.TestCase
TestSessions.settings = settings(max_examples=100, stateful_step_count=40)
