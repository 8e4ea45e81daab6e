"""The supervisor of all sessions: starts each, tracks its bot until that is confirmed gone, and stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from controller.agents.built_in import BuiltInAgents
from controller.core.agent_terms import BudgetBounds
from controller.core.agents import Agents, Preflight, no_preflight
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.endings import ending_for
from controller.core.errors import (
    Draining,
    RuntimeUnavailable,
    ShuttingDown,
)
from controller.core.primitives.clock import Clock
from controller.core.rooms import Rooms
from controller.core.runtime import Runtime
from controller.core.session import NO_BUDGET, Budget, Session
from controller.core.start_request import Started, StartRequest
from controller.core.tracing import Tracing, Untraced
from controller.core.warm import GivenTo, given_nothing
from controller.observe.metrics import Metrics
from controller.supervision.acceptance import Acceptance
from controller.supervision.agent_watch import log_changes
from controller.supervision.assignment import Assigner
from controller.supervision.budgets import BudgetKeeper
from controller.supervision.channel.switchboard import Switchboard
from controller.supervision.launcher import Launcher
from controller.supervision.observing import BotObserver
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from controller.supervision.room_keeper import RoomKeeper
from controller.supervision.starting import SessionStarts
from controller.supervision.stopping import SessionStopper
from controller.supervision.warm.claiming import Claimer
from controller.supervision.warm.pool import WarmPool
from controller.supervision.watchdog import Watchdog
from podline.contract.reasons import Reason
from podline.contract.usage import Usage


class Supervisor:
    """Owns the records of all sessions. Await `run` for as long as sessions are served.

    Attributes:
        is_draining: no session is started, and those that run go on.
        pool: the warm bots.
        starts: of sessions, and what limits them.
        channel: for messages between bots and callers.
    """

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        runtime: Runtime,
        rooms: Rooms,
        registry: SessionRegistry,
        assigner: Assigner,
        limits: Limits,
        keep_ended_seconds: float,
        clock: Clock,
        new_id: Callable[[], str],
        metrics: Metrics,
        tracing: Tracing | None = None,
        credentials: Credentials | None = None,
        agents: Agents | None = None,
        preflight: Preflight = no_preflight,
        given_to: GivenTo = given_nothing,
        most_budget: Budget = NO_BUDGET,
        may_write: Callable[[], bool] = lambda: True,
        used_before: Callable[[str], Usage | None] = lambda _: None,
    ) -> None:
        """Prepare.

        `may_write` returns False while another controller may be in charge of the same sessions.
        `used_before` returns what a launch had used when the former leader last told; None if it did not.
        """
        self.registry = registry
        self.limits = limits
        self.agents = agents or BuiltInAgents()
        self.started = asyncio.Event()
        self.is_draining = False
        self._preflight = preflight
        self._runtime = runtime
        self._metrics = metrics
        self._tracing = tracing or Untraced()
        self._credentials = credentials or Credentials()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closing = False
        self._may_write = may_write
        self._room_keeper = RoomKeeper(rooms, registry, self.not_ready_reason)
        self._recorder = Recorder(
            registry=registry,
            runtime=runtime,
            room_keeper=self._room_keeper,
            metrics=metrics,
            tracing=self._tracing,
            clock=clock,
            limits=limits,
        )
        self._stopper = SessionStopper(runtime, registry, limits, self._own)
        self.pool = WarmPool(
            agents=self.agents,
            preflight=preflight,
            given_to=given_to,
            runtime=runtime,
            registry=registry,
            assigner=assigner,
            limits=limits,
            metrics=metrics.warm,
            clock=clock,
            new_id=new_id,
            can_launch=self.can_launch,
            is_draining=lambda: self.is_draining,
            own=self._own,
        )
        claimer = Claimer(
            pool=self.pool,
            runtime=runtime,
            registry=registry,
            assigner=assigner,
            metrics=metrics.warm,
            tracing=self._tracing,
            clock=clock,
        )
        self._launcher = Launcher(
            agents=self.agents,
            runtime=runtime,
            rooms=rooms,
            registry=registry,
            recorder=self._recorder,
            stopper=self._stopper,
            assigner=assigner,
            pool=self.pool,
            claimer=claimer,
            credentials=self._credentials,
            limits=limits,
            tracing=self._tracing,
            clock=clock,
            own=self._own,
        )
        acceptance = Acceptance(
            agents=self.agents,
            preflight=preflight,
            rooms=rooms,
            registry=registry,
            personas=assigner.personas,
            new_id=new_id,
            clock=clock,
            tracing=self._tracing,
            budgets=BudgetBounds(most=most_budget, has_prices=metrics.prices is not None),
        )
        self.starts = SessionStarts(
            agents=self.agents,
            registry=registry,
            rooms=rooms,
            acceptance=acceptance,
            recorder=self._recorder,
            launcher=self._launcher,
            tracing=self._tracing,
            clock=clock,
            insist=self._insist_on_starting,
        )
        self.channel = Switchboard(
            runtime=runtime,
            registry=registry,
            pool=self.pool,
            recorder=self._recorder,
            budgets=BudgetKeeper(metrics.prices, self._stopper),
            limits=limits,
            clock=clock,
        )
        self._observer = BotObserver(
            runtime=runtime,
            registry=registry,
            pool=self.pool,
            launcher=self._launcher,
            recorder=self._recorder,
            stopper=self._stopper,
            clock=clock,
            used_before=used_before,
            own=self._own,
        )
        self._watchdog = Watchdog(registry, limits, keep_ended_seconds, clock, self._stopper.stop)

    # --- running ---

    async def run(self) -> None:
        """Watch all bots and keep all deadlines, for as long as this is awaited."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._observer.run())
                self._tasks.create_task(log_changes(self.agents, self._agent_changed))
                self._tasks.create_task(self.pool.run())
                self._tasks.create_task(self._room_keeper.run())
                self.started.set()
                await self._watchdog.run()
        finally:
            self._tasks = None
            self._launcher.cancel()

    def is_alive(self) -> bool:
        return self._tasks is not None

    def not_ready_reason(self) -> str | None:
        """Return why no session can be started right now, as a sentence; None if one can."""
        return self._why_nothing_can_be_launched() or self._why_no_agent_can_be_called()

    def can_launch(self) -> bool:
        """Return whether all sessions are known, and bots can be launched and observed."""
        return self._why_nothing_can_be_launched() is None

    def excuse_silence(self, seconds: float) -> None:
        """Don't count these last seconds against bots: their reports could not be received."""
        self._watchdog.excuse_silence(seconds)
        self.pool.excuse_silence()

    def _why_nothing_can_be_launched(self) -> str | None:
        if not self.is_alive():
            return "The controller has failed and must be restarted."
        if self._is_closing:
            return "The controller is shutting down."
        if not self._may_write():
            # What this one doesn't know of, such as a room, may be another controller's.
            return "Another controller may lead now."
        return self._runtime.not_ready_reason() or self.agents.not_ready_reason()

    def _why_no_agent_can_be_called(self) -> str | None:
        """Return what the first agent lacks, if each of them is known to lack something."""
        versions = [status.version for status in self.agents.all() if status.version is not None]
        problems = [self._preflight(version) for version in versions]
        return problems[0] if problems and all(problems) else None

    async def close(self) -> None:
        """Accept no more sessions, and stop the bots unless they outlive the controller.

        Everything that still waits for a bot or for a change then gets an error or an end, even if this is
        cancelled. Harmless when repeated.
        """
        if self._is_closing:
            return
        self._is_closing = True
        try:
            if self._runtime.outlives_us:
                await self._launcher.finish()
                await self.pool.close()
            else:
                await asyncio.gather(self._stopper.stop_all(), self.pool.close())
        finally:
            self.pool.end_polls()
            for record in self.registry.running():
                record.inbox.close(ShuttingDown())
            self.registry.close()

    async def finish(self) -> None:
        """Finish what no session needs any more, above all the closing of rooms. Call it after `close`."""
        await self._room_keeper.finish()
        await self._credentials.aclose()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this as a task of `run`; drop it if that is not awaited."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)

    # --- starting ---

    async def start(self, request: StartRequest) -> Started:
        """Start a session, or find it. Raises as `SessionStarts.start`."""
        return await self.starts.start(request)

    def _insist_on_starting(self) -> None:
        """Raise why no session may be started right now, if there is a reason."""
        if self._is_closing:
            raise ShuttingDown
        if self.is_draining:
            raise Draining
        if (unavailable := self._why_nothing_can_be_launched()) is not None:
            raise RuntimeUnavailable(unavailable)

    def _agent_changed(self, name: str) -> None:
        self._metrics.agent_known(name)
        self.pool.wake()

    async def stop(self, session_id: str) -> Session:
        """Ask a session's bot to leave. The session is `stopping` until the bot is confirmed gone.

        Raises:
            SessionNotFound: there is no such session.
        """
        record = self.registry.get(session_id)
        await self._stopper.stop(record, ending_for(Reason.STOPPED))
        return record.session
