"""Whatever goes wrong, a session never has two bots, a bot never two sessions, and no slot is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final

from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.core.agents import AgentDefinition
from controller.core.errors import NotClaimed, RuntimeUnavailable, UnknownOutcome
from controller.core.runtime import Observation
from controller.supervision.registry import SessionRegistry
from testing.fakes.bots.reported import batch
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.clockwork import Clockwork
from testing.fakes.controllers.site import Site, serve_site
from testing.fakes.controllers.warm_crew import Habit, WarmCrew, a_warm_bot, loop_clock, ready_bots
from tests.searching import narrow_or_wide

CAPACITY: Final = 4
KEYS: Final = ("one", "two", "three")
WANTED: Final = AgentDefinition(name="clerk", min_agents=2, buffer=1)
IN_DOUBT: Final = UnknownOutcome("No answer.")

habits = st.sampled_from(list(Habit))


class Claims(RuleBasedStateMachine):
    """A controller, its warm bots with their habits, and callers."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner(loop_factory=Clockwork)
        self._stack = AsyncExitStack()
        self._agents = NamedAgents(WANTED)
        self._starts: list[asyncio.Task[Any]] = []
        self._versions = self._users = self._adopted = 0
        self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._runner.run(work)

    async def _open(self) -> None:
        self.site: Site = await self._stack.enter_async_context(
            serve_site(
                agents=self._agents,
                clock=loop_clock(),
                capacity=CAPACITY,
                sessions_per_user=100,
                silence_seconds=600,
            )
        )
        crew = WarmCrew(self.site.client, self.site.runtime)
        self.crew = await self._stack.enter_async_context(crew.at_work())
        self.registry: SessionRegistry = self.site.app.state.services.supervisor.registry
        await ready_bots(self.site, WANTED.min_agents)

    def teardown(self) -> None:
        try:
            self._run(self._settle())
        finally:
            self._run(self._stack.aclose())
            self._runner.close()

    # --- what happens ---

    @rule(key=st.sampled_from(KEYS) | st.none(), seconds=st.sampled_from([0.0, 0.02, 0.3, 2.0]))
    def a_call_is_started(self, key: str | None, seconds: float) -> None:
        async def start() -> None:
            request = {"user_id": "ana", "agent": "clerk", "session_id": key}
            given = {name: value for name, value in request.items() if value is not None}
            self._starts.append(asyncio.create_task(self.site.client.post("/v1/sessions", json=given)))
            await asyncio.sleep(seconds)

        self._run(start())

    @precondition(lambda self: self.registry.running())
    @rule(data=st.data())
    def a_call_is_stopped(self, data: st.DataObject) -> None:
        running = sorted(each.session.id for each in self.registry.running())
        session_id = data.draw(st.sampled_from(running))
        self._run(self._delete(session_id))

    @rule(data=st.data())
    def a_bot_dies(self, data: st.DataObject) -> None:
        if alive := sorted(self._alive()):
            launch_id = data.draw(st.sampled_from(alive))
            self._run(self.site.runtime.exit(launch_id, exit_code=1))

    @rule(data=st.data())
    def a_bot_joins(self, data: st.DataObject) -> None:
        if serving := sorted(self.crew.serving.keys() & self._alive()):
            launch_id = data.draw(st.sampled_from(serving))
            self._run(self._report(launch_id))

    @rule(habit=habits)
    def bots_have_another_habit(self, habit: Habit) -> None:
        self.crew.usual = habit

    @rule(next_habits=st.lists(habits, max_size=2))
    def the_next_bots_have_other_habits(self, next_habits: list[Habit]) -> None:
        self.crew.habits[:] = next_habits

    @rule(refusal=st.sampled_from([None, None, NotClaimed("No."), IN_DOUBT]), takes_it=st.booleans())
    def claims_fail_or_succeed(self, refusal: NotClaimed | UnknownOutcome | None, *, takes_it: bool) -> None:
        self.site.runtime.claim_refusal = refusal
        self.site.runtime.takes_it_silently = takes_it

    @rule(refusal=st.sampled_from([None, None, IN_DOUBT]))
    def giving_up_fails_or_succeeds(self, refusal: UnknownOutcome | None) -> None:
        self.site.runtime.give_up_refusal = refusal

    @rule(refusal=st.sampled_from([None, None, RuntimeUnavailable("No."), IN_DOUBT]))
    def warm_launches_fail_or_succeed(self, refusal: RuntimeUnavailable | UnknownOutcome | None) -> None:
        self.site.runtime.warm_refusal = refusal

    @rule(refusal=st.sampled_from([None, None, RuntimeUnavailable("No."), IN_DOUBT]))
    def cold_launches_fail_or_succeed(self, refusal: RuntimeUnavailable | UnknownOutcome | None) -> None:
        self.site.runtime.refusal = refusal

    @rule(is_slow=st.booleans())
    def claims_take_their_time(self, *, is_slow: bool) -> None:
        event = self.site.runtime.may_claim
        event.clear() if is_slow else event.set()

    @rule()
    def another_version_is_deployed(self) -> None:
        self._versions += 1
        self._agents.definitions["clerk"] = replace(WANTED, image=f"clerk:{self._versions}")

    @rule()
    def a_bot_of_an_earlier_controller_is_found(self) -> None:
        if self.site.runtime.warm:
            self._adopted += 1
            self._run(self._find(f"adopted-{self._adopted}"))

    @rule(seconds=st.sampled_from([0.05, 0.3, 2.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self._run(asyncio.sleep(seconds))

    # --- what never happens ---

    @invariant()
    def no_session_has_two_bots(self) -> None:
        alive = self._alive()
        served = [
            variables["SESSION_ID"]
            for launch_id, variables in self.crew.serving.items()
            if launch_id in alive
        ]
        launched = [each.session.id for each in self.site.runtime.launches if each.session.launch_id in alive]
        assert max(Counter([*served, *launched]).values(), default=0) <= 1

    @invariant()
    def a_bot_serves_the_session_that_the_controller_thinks_it_does(self) -> None:
        for launch_id in self.crew.serving.keys() & self._alive():
            record = self.registry.by_launch(launch_id)
            assert record is not None
            assert record.session.id == self.crew.serving[launch_id]["SESSION_ID"]
            assert record.session.cold_start is False

    @invariant()
    def no_slot_is_lost_or_taken_twice(self) -> None:
        running = self.registry.running()
        assert self.registry.admission.running == len(running) <= CAPACITY
        for record in running:
            assert self.registry.by_launch(record.session.launch_id) is record

    # --- helpers ---

    def _alive(self) -> set[str]:
        runtime = self.site.runtime
        known = {each.bot.launch_id for each in runtime.warm} | {
            each.session.launch_id for each in runtime.launches
        }
        return known - runtime.gone

    async def _delete(self, session_id: str) -> None:
        await self.site.client.delete(f"/v1/sessions/{session_id}")

    async def _report(self, launch_id: str) -> None:
        await self.crew.post(launch_id, "reports", batch(seq=2, process_up=0.1, joined=9.9))

    async def _find(self, launch_id: str) -> None:
        launch = self.site.runtime.warm[-1]
        bot = a_warm_bot("clerk", launch.bot.agent_version, launch_id)
        self.site.runtime.warm.append(replace(launch, bot=bot))
        await self.site.runtime.observe(Observation(launch_id=launch_id, warm=bot))
        self.crew.join(launch_id)

    async def _settle(self) -> None:
        """Let all trouble be over, and see that nothing of it is left."""
        runtime = self.site.runtime
        runtime.refusal = runtime.warm_refusal = None
        runtime.claim_refusal = runtime.give_up_refusal = None
        runtime.takes_it_silently = False
        runtime.may_claim.set()
        self.crew.habits.clear()
        self.crew.usual = Habit.CONFIRMS
        await asyncio.sleep(5)
        for start in self._starts:
            answer = await start
            assert answer.status_code in (200, 201, 429, 503), answer.text
        await asyncio.sleep(60)
        for record in self.registry.running():
            assert record.session.launch_id in self._alive(), record.session
            await self._delete(record.session.id)
        assert self.registry.running() == []
        await asyncio.sleep(150)
        for number in range(CAPACITY):
            assert (await self.site.start(f"last-{number}", agent="clerk"))["phase"] == "starting"
        self.no_session_has_two_bots()
        self.no_slot_is_lost_or_taken_twice()


TestClaims = Claims.TestCase
TestClaims.settings = narrow_or_wide(
    max_examples=40, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
