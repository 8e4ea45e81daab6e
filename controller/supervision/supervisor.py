"""The supervisor of all sessions: starts each, tracks its bot until that is confirmed gone, and stops it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from controller.agents.built_in import BuiltInAgents
from controller.core.admission import provider_limit
from controller.core.agent_terms import BudgetBounds
from controller.core.agents import Agents, Preflight, no_preflight
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.endings import decide_ending, ending_for
from controller.core.errors import (
    Draining,
    LaunchEnded,
    RuntimeUnavailable,
    SessionConflict,
    ShuttingDown,
    UnknownOutcome,
)
from controller.core.limits import Limit
from controller.core.primitives.clock import Clock
from controller.core.rooms import Rooms
from controller.core.runtime import Observation, Runtime
from controller.core.session import NO_BUDGET, Budget, Session
from controller.core.start_request import Started, StartRequest
from controller.core.tracing import Tracing, Untraced
from controller.core.warm import GivenTo, given_nothing
from controller.observe.logs import about, session_at_work
from controller.observe.metrics import Metrics
from controller.supervision.acceptance import Acceptance
from controller.supervision.adoption import adopt
from controller.supervision.agent_watch import log_changes
from controller.supervision.assignment import Assigner
from controller.supervision.budgets import BudgetKeeper
from controller.supervision.channel.report_ledger import furthest
from controller.supervision.launcher import Launcher, launch_failed
from controller.supervision.record import Record
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from controller.supervision.room_keeper import RoomKeeper
from controller.supervision.stopping import SessionStopper
from controller.supervision.warm.claiming import Claimer
from controller.supervision.warm.pool import WarmPool
from controller.supervision.watchdog import Watchdog
from podline.contract.messages import Assignment, InboxAnswer, InboxPage, Report
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage


class Supervisor:
    """Owns the records of all sessions. Await `run` for as long as sessions are served.

    Attributes:
        is_draining: no session is started, and those that run go on.
        pool: the warm bots.
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
        self._rooms = rooms
        self._metrics = metrics
        self._clock = clock
        self._tracing = tracing or Untraced()
        self._credentials = credentials or Credentials()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closing = False
        self._may_write = may_write
        self._used_before = used_before
        self._acceptance = Acceptance(
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
        self._budgets = BudgetKeeper(metrics.prices, self._stopper)
        self._watchdog = Watchdog(registry, limits, keep_ended_seconds, clock, self._stopper.stop)

    @property
    def provider(self) -> str:
        """The provider of rooms, which is the callers' transport."""
        return self._rooms.provider

    def limits_now(self) -> list[Limit]:
        """Return the limits of agents, model keys and the room provider as they are now."""
        known = {status.name for status in self.agents.all()} | set(self.registry.phases_by_agent())
        limits = self.registry.admission.shared(known, self._clock.monotonic())
        if (load := self._rooms.load(1)) is not None:
            limits.append(provider_limit(load, self.provider))
        return limits

    # --- running ---

    async def run(self) -> None:
        """Watch all bots and keep all deadlines, for as long as this is awaited."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._watch_bots())
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
        self._watchdog.excuse_silence(seconds, self._clock.monotonic())
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
        """Launch a bot for this request, or find the session that the same request started before.

        Raises:
            SessionConflict: the id belongs to a different request, or there is a bot in the caller's room.
            InvalidRequest: the persona or the room can't be used here.
            AgentNotFound, AgentInvalid, AgentNotConfigured: there is no such agent, or it can't be used.
            CapacityReached, UserLimitReached: one more session would exceed a limit.
            UnknownOutcome: there may be a bot. The same request with the same id adopts it.
            RoomsUnavailable, ModelUnavailable, RuntimeUnavailable, Draining, ShuttingDown: nothing was
                launched; a retry may help.
        """
        known = self.registry.find(request.session_id) if request.session_id else None
        if known is not None:
            if known.session.request_hash != request.hash:
                raise SessionConflict(known.session.id)
            if not _may_start_again(known):
                return await self._repeat(known, request)
        if self._is_closing:
            raise ShuttingDown
        if self.is_draining:
            raise Draining
        if (unavailable := self._why_nothing_can_be_launched()) is not None:
            raise RuntimeUnavailable(unavailable)
        record = Record(self._acceptance.session_for(request), self._clock.monotonic())
        wants_room = request.room is None
        load = self._rooms.load(self.registry.rooms_wanted() + 1) if wants_room else None
        self._recorder.add(record, request.address_tags, load)
        session_at_work.set(record.session.id)
        self._tracing.is_about(record.session.id)
        caller_token = await self._launcher.launch(record, request)
        if record.unknown_outcome is not None:
            raise record.unknown_outcome
        _raise_failure(record)
        return Started(session=record.session, caller_token=caller_token, is_new=True)

    async def _repeat(self, record: Record, request: StartRequest) -> Started:
        """Answer a repeated request; launch its bot again if the outcome is still open."""
        self._tracing.is_about(record.session.id)
        await record.until_settled()
        if record.open_outcome is not None:
            await self._launcher.launch(record, request)
        _raise_failure(record)
        caller_token = await self._launcher.admit(record)
        return Started(session=record.session, caller_token=caller_token, is_new=False)

    def seconds_left(self, session: Session) -> float:
        """Return for how many more seconds a session may last at most."""
        record = self.registry.find(session.id)
        return 0.0 if record is None else self._launcher.seconds_left(record)

    # --- tracking: observations of the runtime ---

    def _agent_changed(self, name: str) -> None:
        self._metrics.agent_known(name)
        self.pool.wake()

    async def _watch_bots(self) -> None:
        async with contextlib.aclosing(self._runtime.watch()) as observations:
            async for observation in observations:
                self._observed(observation)

    def _observed(self, observation: Observation) -> None:
        """Record an observation of a bot by the runtime. Nothing here waits."""
        if observation.warm is not None and self.registry.by_launch(observation.launch_id) is None:
            self.pool.adopt(observation.warm)
        if observation.found is not None:
            with about(observation.found.id):
                self._adopt(observation.found)
        record = self.registry.by_launch(observation.launch_id)
        if record is not None and not record.session.phase.is_end:
            with about(record.session.id):
                self._record_observation(record, observation)
        if observation.exit is not None:
            self.pool.exited(observation.launch_id, observation.exit)

    def _record_observation(self, record: Record, observation: Observation) -> None:
        if observation.scheduled is not None:
            record.scheduled(observation.scheduled)
        if observation.intent is not None and record.intent is None and self._tasks is not None:
            record.stopping(observation.intent)
            if observation.found is None:
                # One that was only just found is stopped by its runtime, once that knows its pod.
                self._own(self._stopper.stop(record, observation.intent))
        if observation.exit is not None:
            self._recorder.final_report(record, observation.exit)
            ending = decide_ending(record.intent, observation.exit)
            if record.is_claim_open and record.unknown_outcome is not None:
                # The warm bot had no session yet, so its end says nothing of why there was no call.
                ending = record.intent or launch_failed(record.unknown_outcome)
            self._recorder.ended(record, ending, observation.exit.diagnostics)

    def _adopt(self, session: Session) -> None:
        """Take over a session that another controller started. Finish its launch if that is still open."""
        if (used := self._used_before(session.launch_id)) is not None and not session.phase.is_end:
            session = session.used(furthest(session.usage, used), partial=session.usage_is_partial)
        record = adopt(session, self.registry, self._clock)
        if record is None:
            if session.cold_start is False and self.registry.by_launch(session.launch_id) is None:
                # A former leader's claim took effect late: by now the session has another bot.
                if session.launch_id in self.pool.bots:
                    self.pool.superfluous(session.launch_id)
                else:
                    self._own(self._give_up(session.launch_id))
            return
        self.pool.bots.has_session(session.launch_id, record.inbox)
        if session.phase is Phase.STARTING:
            self._own(self._launcher.launch_adopted(record))

    async def _give_up(self, launch_id: str) -> None:
        with contextlib.suppress(UnknownOutcome):
            await self._runtime.give_up(launch_id)

    # --- tracking: messages between bots and callers ---

    def report(self, launch_id: str, report: Report, unknown: Sequence[str] = ()) -> int:
        """Add one batch of a bot to its record. Return the number of the last batch counted.

        `unknown` are kinds of events that only a newer bot can report.

        Raises:
            LaunchEnded: the session has ended, or never existed.
            RateLimited: more batches came than any bot sends.
        """
        if self._is_warm(launch_id):
            return self.pool.bots.report(launch_id, report, self._clock.monotonic())
        record = self._heard(launch_id)
        if report.seq > 1:
            # A warm bot's first report may be repeated after it was given its session; the others say that
            # it has it.
            record.inbox.assignment_arrived()
        counted = self._recorder.report(record, report, unknown)
        self._budgets.check(record)
        return counted

    async def poll(self, launch_id: str, after: str | None, timeout_seconds: float) -> InboxPage:
        """Return the messages for the bot; wait for one. Raises LaunchEnded."""
        if self._is_warm(launch_id):
            return await self.pool.bots.poll(launch_id, after, timeout_seconds, self._clock.monotonic)
        inbox = self._heard(launch_id).inbox
        messages = await inbox.poll(after, timeout_seconds)
        return InboxPage(messages=messages, withdrawn=inbox.take_withdrawn())

    def answer(self, launch_id: str, message_id: str, answer: InboxAnswer) -> Assignment | None:
        """Accept the bot's answer to one message. Return what it receives if it has confirmed its session.

        Raises LaunchEnded.
        """
        if self._is_warm(launch_id):
            return self.pool.bots.answer(launch_id, message_id, answer, self._clock.monotonic())
        inbox = self._heard(launch_id).inbox
        assignment = inbox.assignment_for(message_id) if answer.refusal is None else None
        inbox.answer(message_id, answer)
        return assignment

    def _is_warm(self, launch_id: str) -> bool:
        """Whether this is a warm bot without a session."""
        return launch_id in self.pool.bots and self.registry.by_launch(launch_id) is None

    async def offer(self, session_id: str, offer: dict[str, Any]) -> dict[str, Any]:
        """Relay a WebRTC offer to the bot and wait for its answer. Raises as `Inbox.offer` does."""
        return await self.registry.get(session_id).inbox.offer(offer, self.limits.start_timeout)

    async def candidates(self, session_id: str, candidates: dict[str, Any]) -> dict[str, Any]:
        """Relay ICE candidates to the bot. Raises as `Inbox.candidates` does."""
        return await self.registry.get(session_id).inbox.candidates(candidates, self.limits.start_timeout)

    async def look_for(self, launch_id: str) -> None:
        """Have a launch known whose bot speaks to us, if it exists. Raises RuntimeUnavailable."""
        if self.registry.by_launch(launch_id) is None:
            await self._runtime.look_for(launch_id)

    def _heard(self, launch_id: str) -> Record:
        record = self.registry.by_launch(launch_id)
        if record is None and (not_ready_reason := self._runtime.not_ready_reason()) is not None:
            # Its session may not have been adopted yet.
            raise RuntimeUnavailable(not_ready_reason)
        if record is None or record.session.phase.is_end:
            raise LaunchEnded
        record.heard(self._clock.monotonic())
        return record

    # --- stopping ---

    async def stop(self, session_id: str) -> Session:
        """Ask a session's bot to leave. The session is `stopping` until the bot is confirmed gone.

        Raises:
            SessionNotFound: there is no such session.
        """
        record = self.registry.get(session_id)
        await self._stopper.stop(record, ending_for(Reason.STOPPED))
        return record.session


def _may_start_again(record: Record) -> bool:
    """Return whether no bot ever ran for it, so that the same id may be tried again."""
    ending = record.session.ending
    return ending is not None and ending.reason is Reason.LAUNCH_FAILED


def _raise_failure(record: Record) -> None:
    """Raise the launch's refusal, or its outcome if that is still open."""
    if record.refusal is not None:
        raise record.refusal
    if record.open_outcome is not None:
        raise record.open_outcome
