"""The pool of warm bots: keeps as many waiting as the agents' definitions ask for."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Final

from controller.core.agents import Agents, AgentVersion, Preflight
from controller.core.deadlines import Limits
from controller.core.errors import ShuttingDown
from controller.core.pool_plan import (
    PoolPlan,
    PoolView,
    SeenBot,
    WarmStage,
    has_pool,
    plan,
)
from controller.core.primitives.clock import Clock
from controller.core.primitives.flag import Flag
from controller.core.runtime import Exit, Runtime
from controller.core.warm import GivenTo, WarmBot
from controller.observe.warm_metrics import WarmMetrics
from controller.supervision.assignment import Assigner
from controller.supervision.registry import SessionRegistry
from controller.supervision.warm.bots import HeldBot, WarmBots
from controller.supervision.warm.care import WarmCare
from controller.supervision.warm.history import Histories, why_gone
from controller.supervision.warm.launches import WarmLaunches
from controller.supervision.warm.status import PoolStatus, is_given, shown_stages

TICK_SECONDS: Final = 0.25
"""How late the pool may notice what nobody reports to it: an age, a silence, the end of a pause."""

HELD_UP_SECONDS: Final = 5.0
"""A tick this late means that the controller itself was stalled: bots could not poll meanwhile."""


class WarmPool:
    """Creates, replaces and ends warm bots. Await `run` for as long as sessions are served.

    Attributes:
        bots: that wait, or are on their way in or out.
        launches: creates and ends them.
        histories: what has happened, by agent.
    """

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        agents: Agents,
        preflight: Preflight,
        given_to: GivenTo,
        runtime: Runtime,
        registry: SessionRegistry,
        assigner: Assigner,
        limits: Limits,
        metrics: WarmMetrics,
        clock: Clock,
        new_id: Callable[[], str],
        can_launch: Callable[[], bool],
        is_draining: Callable[[], bool],
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Prepare.

        Args:
            agents: whose definitions say how many are wanted.
            preflight: returns what an agent's bots lack.
            given_to: returns what stands for all that they are given besides their version.
            runtime: runs them.
            registry: of the sessions that bots are in use for.
            assigner: makes launches.
            limits: on durations.
            metrics: of claims and waiting.
            clock: of ages and rates.
            new_id: makes launch ids.
            can_launch: returns whether bots can be launched, and all of them are known.
            is_draining: returns whether no more sessions are started.
            own: runs work in the background.
        """
        self.histories = Histories(metrics)
        self.bots = WarmBots(self.wake, self.histories.became_ready)
        self.launches = WarmLaunches(
            bots=self.bots,
            histories=self.histories,
            runtime=runtime,
            assigner=assigner,
            limits=limits,
            clock=clock,
            new_id=new_id,
            own=own,
        )
        self._care = WarmCare(
            bots=self.bots,
            launches=self.launches,
            histories=self.histories,
            agents=agents,
            limits=limits,
            clock=clock,
        )
        self._agents = agents
        self._preflight = preflight
        self._given_to = given_to
        self._runtime = runtime
        self._registry = registry
        self._metrics = metrics
        self._clock = clock
        self._can_launch = can_launch
        self._is_draining = is_draining
        self._changed = Flag()
        self._plans: Mapping[str, PoolPlan] = {}
        self._given: Mapping[str, tuple[str, str]] = {}
        self._could_launch = False
        self._is_closing = False
        self._idle_since: float | None = None
        self._idle: Mapping[str, int] = {}

    # --- what others ask ---

    def serves(self, version: AgentVersion) -> bool:
        """Return whether an agent has a pool."""
        return has_pool(version.definition)

    def status(self, agent: str) -> PoolStatus:
        """Return an agent's warm bots, as an operator sees them."""
        stages = self.stages().get(agent, Counter())
        planned = self._plans.get(agent, PoolPlan())
        problem = planned.problem
        if agent in self._plans and self._is_draining():
            problem = "Warm bots are not kept while the controller is drained."
        return PoolStatus(
            wanted=planned.wanted,
            starting=stages[WarmStage.STARTING],
            ready=stages[WarmStage.READY],
            in_use=self._registry.in_use()[agent],
            problem=problem,
        )

    def stages(self) -> Mapping[str, Mapping[WarmStage, int]]:
        """Return how many warm bots each agent with a pool has, by the stage that is shown of them."""
        stages = shown_stages(self.bots.all(), self._given)
        return {agent: stages.get(agent, Counter()) for agent in sorted({*self._plans, *stages})}

    def wanted(self) -> Mapping[str, int]:
        """Return how many warm bots should wait now, for each agent with a pool."""
        return {agent: planned.wanted for agent, planned in self._plans.items()}

    # --- events ---

    def wake(self) -> None:
        """Have the plan made again soon."""
        self._changed.set()

    def arrived(self, version: AgentVersion) -> None:
        """Note that a session of this agent is being started."""
        if self.serves(version):
            self.histories.of(version.name).arrived(self._clock.monotonic())
            self.wake()

    def adopt(self, bot: WarmBot) -> None:
        """Hold a warm bot that another controller launched. It can be taken once it polls here."""
        if bot.launch_id not in self.bots:
            age = max(0.0, (self._clock.now() - bot.created).total_seconds())
            self.bots.adopt(bot, self._clock.monotonic(), age)
            self.wake()

    def exited(self, launch_id: str, exit_: Exit) -> None:
        """Note that a warm bot is gone."""
        held = self.bots.find(launch_id)
        if held is None:
            return
        if held.stage is not WarmStage.LEAVING:
            self.launches.failed(held.bot, why_gone(exit_))
        self.bots.gone(held)

    def superfluous(self, launch_id: str) -> None:
        """Note that a former leader's claim of a bot took effect late, for a session that has another bot.

        One that is being claimed here is the claim's to end.
        """
        held = self.bots.find(launch_id)
        if held is not None and held.stage in (WarmStage.STARTING, WarmStage.READY):
            self.launches.retire(held)

    def take(self, version: AgentVersion) -> HeldBot | None:
        """Take a warm bot of this version for a session. It must be claimed or given up."""
        if self._is_closing:
            return None
        return self.bots.take(version.name, version.id, self._given_to(version))

    def claimed(self, agent: str) -> None:
        """Note that a bot has proved itself: a session has it."""
        self.histories.of(agent).proven()

    def excuse_silence(self) -> None:
        """Don't count time until now against bots: they could not be heard."""
        self._care.excuse_silence()

    async def close(self) -> None:
        """Create no more bots. End those that wait, unless they outlive the controller."""
        self._is_closing = True
        self.wake()
        if not self._runtime.outlives_us:
            await self.launches.end_all()

    def end_polls(self) -> None:
        """End all requests of warm bots for messages: the controller exits."""
        self.bots.close(ShuttingDown())

    # --- the loop ---

    async def run(self) -> None:
        """Keep to the plan. Without pools this only waits until there is one."""
        last = self._clock.monotonic()
        while True:
            self._changed.clear()
            now = self._clock.monotonic()
            if now - last > HELD_UP_SECONDS:
                self.excuse_silence()
            is_busy = self._step(now)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS if is_busy else None):
                    await self._changed.wait()
            # Without pools nothing ticks, so a long wait says nothing.
            last = self._clock.monotonic() if not is_busy else now

    def _step(self, now: float) -> bool:
        """Do what is due. Return whether there is a pool."""
        served = (status.version for status in self._agents.all())
        versions = {each.name: each for each in served if each is not None and self.serves(each)}
        self._given = {name: (version.id, self._given_to(version)) for name, version in versions.items()}
        if not versions and not len(self.bots):
            self._plans, self._idle_since = {}, None
            return False
        could_launch, self._could_launch = self._could_launch, self._can_launch()
        if self._is_closing or not (could_launch and self._could_launch):
            # One tick later all bots of an earlier controller are known.
            self._idle_since = None
            return not self._is_closing
        self._count_idle(now)
        self._care.end_those_overdue(now)
        views = {
            agent: self._view(agent, versions.get(agent), now)
            for agent in {*versions, *(each.bot.agent for each in self.bots.all())}
        }
        claiming = sum(each.stage is WarmStage.CLAIMING for each in self.bots.all())
        running = self._registry.in_use().total() + claiming
        self._plans = plan(views, self._registry.admission.limits.capacity, running, now)
        for agent, planned in self._plans.items():
            self._metrics.agent_known(agent)
            for launch_id in planned.give_up:
                if (held := self.bots.find(launch_id)) is not None:
                    self.launches.retire(held)
            if (version := versions.get(agent)) is not None:
                for _ in range(planned.create):
                    self.launches.create(version, self._given[agent][1], now)
        return True

    def _count_idle(self, now: float) -> None:
        """Add the time since the last tick for the bots that were ready then: a change ticks at once."""
        if self._idle_since is not None:
            for agent, ready in self._idle.items():
                self._metrics.idled(agent, ready * (now - self._idle_since))
        stages = self.bots.stages()
        self._idle = {agent: ready for agent, of in stages.items() if (ready := of[WarmStage.READY])}
        self._idle_since = now

    def _view(self, agent: str, version: AgentVersion | None, now: float) -> PoolView:
        history = self.histories.of(agent)
        if version is not None and (lacking := self._preflight(version)) is not None:
            history.failed(lacking, now)
        bots = [each for each in self.bots.all() if each.bot.agent == agent]
        return PoolView(
            definition=None if version is None or self._is_draining() else version.definition,
            in_use=self._registry.in_use()[agent] + sum(each.stage is WarmStage.CLAIMING for each in bots),
            bots=[
                SeenBot(
                    launch_id=each.launch_id,
                    stage=each.stage,
                    is_current=is_given(each, self._given.get(agent)),
                    age=now - each.created_at,
                )
                for each in bots
                if each.stage is not WarmStage.CLAIMING
            ],
            arrivals=history.arrivals(now),
            start_seconds=history.start_seconds,
            unanswered=history.unanswered,
            created=history.created(now),
            failures=history.failures,
        )
