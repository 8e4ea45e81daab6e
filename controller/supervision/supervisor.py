"""Starts sessions, follows each until it has surely ended, and stops those whose time is up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

from controller.core.clock import Clock
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.endings import decide_ending, ending_for
from controller.core.errors import LaunchEnded, RuntimeUnavailable, SessionConflict, ShuttingDown
from controller.core.rooms import Rooms
from controller.core.runtime import Observation, Runtime
from controller.core.session import Ending, Session, Timeline
from controller.core.start_request import Started, StartRequest
from controller.core.tracing import Tracing, Untraced
from controller.observe.logs import about, session_at_work
from controller.observe.metrics import Metrics
from controller.supervision.adoption import adopted
from controller.supervision.assignment import Assigner
from controller.supervision.budgets import spent
from controller.supervision.launcher import Launcher
from controller.supervision.recorder import Recorder
from controller.supervision.registry import Record, SessionRegistry
from controller.supervision.report_ledger import furthest
from controller.supervision.room_keeper import RoomKeeper
from controller.supervision.watchdog import Watchdog
from podline.contract.messages import InboxAnswer, InboxPage, Report
from podline.contract.reasons import Phase, Reason

log = logging.getLogger("podline.supervisor")

_FAREWELL_SECONDS: Final = 2.0
"""How long a bot whose budget is spent may go on before it is signalled: it must learn the reason first."""

_SHUTDOWN: Final = Ending(
    reason=Reason.STOPPED,
    what_happened="The controller shut down and stopped its bots.",
    advice="Start another session.",
)


class Supervisor:
    """Owns the registry. `run` must be awaited for as long as sessions are to be served."""

    def __init__(  # noqa: PLR0913 - what it is put together from
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
    ) -> None:
        self.registry = registry
        self.limits = limits
        self.started = asyncio.Event()
        self._runtime = runtime
        self._rooms = rooms
        self._personas = assigner.personas
        self._clock = clock
        self._prices = metrics.prices
        self._new_id = new_id
        self._tracing = tracing or Untraced()
        self._credentials = credentials or Credentials()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closing = False
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
        self._launcher = Launcher(
            runtime=runtime,
            rooms=rooms,
            registry=registry,
            recorder=self._recorder,
            assigner=assigner,
            credentials=self._credentials,
            limits=limits,
            tracing=self._tracing,
            clock=clock,
            end=self._end,
            own=self._own,
        )
        self._watchdog = Watchdog(registry, limits, keep_ended_seconds, clock, self._end)

    @property
    def provider(self) -> str:
        """The provider of rooms, which is the callers' transport."""
        return self._rooms.provider

    # --- its own life ---

    async def run(self) -> None:
        """Follow all bots and keep all deadlines, for as long as this is awaited."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._watch_bots())
                self._tasks.create_task(self._room_keeper.run())
                self.started.set()
                await self._watchdog.run()
        finally:
            self._tasks = None
            self._launcher.cancel()

    def is_alive(self) -> bool:
        return self._tasks is not None

    def not_ready_reason(self) -> str | None:
        """Why no session can be started right now, as a sentence; None while they can."""
        if not self.is_alive():
            return "The controller is broken and must be restarted."
        if self._is_closing:
            return "The controller is shutting down."
        return self._runtime.not_ready_reason()

    async def close(self) -> None:
        """Take nothing more on, and see off the bots that would not outlive us.

        Then all who wait for anything are sent home, also when this is cut short. Again is harmless.
        """
        if self._is_closing:
            return
        self._is_closing = True
        try:
            if self._runtime.outlives_us:
                await self._launcher.finish()
            else:
                await self._end_all()
            await self._room_keeper.finish()
            await self._credentials.aclose()
        finally:
            for record in self.registry.running():
                record.inbox.close(ShuttingDown())
            self.registry.close()

    async def _end_all(self) -> None:
        """Ask all bots to leave, and return when they have gone or had their time."""
        running = self.registry.running()
        await asyncio.gather(*(self._end(record, _SHUTDOWN) for record in running))
        try:
            async with asyncio.timeout(self.limits.grace + 1):
                for record in running:
                    await record.gone.wait()
        except TimeoutError:
            log.warning("bots outlived the shutdown", extra={"bots": len(self.registry.running())})

    # --- what callers ask for ---

    async def start(self, order: StartRequest) -> Started:
        """Launch a bot for this order, or find the session that the same order has made before.

        Raises:
            SessionConflict: the id stands for another order.
            InvalidRequest: the persona or the room is not one that can be used here.
            CapacityReached, UserLimitReached: no place is free.
            RoomsUnavailable, ModelUnavailable, RuntimeUnavailable, ShuttingDown: nothing was launched;
                asking again may help.
        """
        known = self.registry.find(order.session_id) if order.session_id else None
        if known is not None:
            if known.session.request_hash != order.hash:
                raise SessionConflict(known.session.id)
            if not _may_start_again(known):
                return await self._repeat(known, order)
        if self._is_closing:
            raise ShuttingDown
        if (not_ready_reason := self.not_ready_reason()) is not None:
            raise RuntimeUnavailable(not_ready_reason)
        record = Record(session=self._checked(self._accepted(order), order))
        self._recorder.add(record, order.address_tags)
        session_at_work.set(record.session.id)
        self._tracing.is_about(record.session.id)
        caller_token = await self._launcher.launch(record, order)
        if record.doubt is not None:
            raise record.doubt.error
        _raise_failure(record)
        return Started(session=record.session, caller_token=caller_token, is_new=True)

    async def stop(self, session_id: str) -> Session:
        """Ask a session's bot to leave. Its session is `stopping` until the bot has surely gone.

        Raises:
            SessionNotFound: there is no such session.
        """
        record = self.registry.get(session_id)
        await self._end(record, ending_for(Reason.STOPPED))
        return record.session

    def seconds_left(self, session: Session) -> float:
        """For how long, in seconds from now, a session may go on at the very most."""
        return self._launcher.seconds_left(session)

    async def offer(self, session_id: str, offer: dict[str, Any]) -> dict[str, Any]:
        """Hand a WebRTC offer to the bot and wait for its answer. Raises as `Inbox.offer` does."""
        return await self.registry.get(session_id).inbox.offer(offer, self.limits.start_timeout)

    async def candidates(self, session_id: str, candidates: dict[str, Any]) -> dict[str, Any]:
        """Hand ICE candidates to the bot. Raises as `Inbox.candidates` does."""
        return await self.registry.get(session_id).inbox.candidates(candidates, self.limits.start_timeout)

    # --- what bots tell ---

    def report(self, launch_id: str, report: Report, unknown: Sequence[str] = ()) -> int:
        """Take one batch into the record; returns the number of the last one counted.

        `unknown` are the kinds of events that only a newer bot can tell of.

        Raises:
            LaunchEnded: nobody waits for it any more.
            RateLimited: more came than any bot sends.
        """
        record = self._heard(launch_id)
        counted = self._recorder.report(record, report, unknown)
        self._keep_budget(record)
        return counted

    async def poll(self, launch_id: str, after: str | None, timeout_seconds: float) -> InboxPage:
        """What the bot must be told; waits for it. Raises LaunchEnded."""
        inbox = self._heard(launch_id).inbox
        messages = await inbox.poll(after, timeout_seconds)
        return InboxPage(messages=messages, withdrawn=inbox.take_withdrawn())

    def answer(self, launch_id: str, message_id: str, answer: InboxAnswer) -> None:
        """Take the bot's answer to one message. Raises LaunchEnded."""
        self._heard(launch_id).inbox.answer(message_id, answer)

    # --- the way of a session ---

    def _accepted(self, order: StartRequest) -> Session:
        return Session(
            id=order.session_id or self._new_id(),
            user_id=order.user_id,
            launch_id=self._new_id(),
            request_hash=order.hash,
            room_provider=self._rooms.provider,
            room_is_brought=order.room is not None,
            persona=order.persona,
            max_duration_seconds=order.max_duration_seconds,
            budget=order.budget,
            metadata=dict(order.metadata),
            address_tag=order.address_tags[0] if order.address_tags else None,
            timeline=Timeline(accepted=self._clock.now()),
            trace=self._tracing.context(),
        )

    def _checked(self, session: Session, order: StartRequest) -> Session:
        if order.persona is not None:
            self._personas.path(order.persona)
        if order.room is None:
            return session
        name = self._rooms.bring(session, *order.room).name
        for other in self.registry.running():
            if other.session.room_name == name:
                raise SessionConflict.by_room(other.session.id)
        return replace(session, room_name=name)

    async def _repeat(self, record: Record, order: StartRequest) -> Started:
        self._tracing.is_about(record.session.id)
        while not record.settled.is_set():  # whoever woke first may have launched it again
            await record.settled.wait()
        if record.is_in_doubt and record.doubt is not None:
            record.settled.clear()
            await self._launcher.launch(record, order)
        _raise_failure(record)
        caller_token = await self._launcher.admit(record.session)
        return Started(session=record.session, caller_token=caller_token, is_new=False)

    async def _watch_bots(self) -> None:
        async with contextlib.aclosing(self._runtime.watch()) as observations:
            async for observation in observations:
                self._seen(observation)

    def _seen(self, observation: Observation) -> None:
        """Take in what the runtime has seen of a bot. Only records: nothing here waits."""
        if observation.found is not None:
            with about(observation.found.id):
                self._adopt(observation.found)
        record = self.registry.by_launch(observation.launch_id)
        if record is not None and not record.session.phase.is_end:
            with about(record.session.id):
                self._take_in(record, observation)

    def _take_in(self, record: Record, observation: Observation) -> None:
        self.registry.put(record, record.session.marked(scheduled=observation.scheduled))
        if observation.intent is not None and record.intent is None and self._tasks is not None:
            record.intent = observation.intent
            self._own(self._end(record, observation.intent))
        if observation.exit is not None:
            self._recorder.final_report(record, observation.exit)
            self._recorder.ended(
                record, decide_ending(record.intent, observation.exit), observation.exit.diagnostics
            )

    def _adopt(self, session: Session) -> None:
        """Take over a session that another controller has started; finish its launch where that is open."""
        known = self.registry.find(session.id)
        if known is not None and (
            known.session.launch_id == session.launch_id or not known.session.phase.is_end
        ):
            return
        record = adopted(session, self._clock)
        self.registry.adopt(record)
        if session.phase is Phase.STARTING:
            self._own(self._launcher.launch_adopted(record))

    def _heard(self, launch_id: str) -> Record:
        record = self.registry.by_launch(launch_id)
        if record is None and (not_ready_reason := self._runtime.not_ready_reason()) is not None:
            # It may be one that is not found again yet.
            raise RuntimeUnavailable(not_ready_reason)
        if record is None or record.session.phase.is_end:
            raise LaunchEnded
        record.heard_at = self._clock.monotonic()
        return record

    async def _end(self, record: Record, intent: Ending) -> None:
        """Record why the bot must leave, then ask it to. Asking again is harmless."""
        if record.session.phase.is_end:
            return
        self._ask_to_leave(record, intent)
        if record.settled.is_set():
            with about(record.session.id):
                await self._runtime.stop(record.session.launch_id, record.intent or intent)

    def _ask_to_leave(self, record: Record, intent: Ending) -> None:
        record.intent = record.intent or intent
        self.registry.put(record, record.session.moved(Phase.STOPPING))
        record.inbox.stop(str(record.intent.reason))

    def _keep_budget(self, record: Record) -> None:
        """End a session whose budget is spent. What its events add up to counts if its totals say less."""
        if record.intent is not None:
            return
        session = record.session
        usage = furthest(session.usage, record.ledger.used)
        if intent := spent(session.budget, usage, self._prices, session.timeline.accepted.date()):
            self._ask_to_leave(record, intent)
            self._own(self._end_after_farewell(record, intent))

    async def _end_after_farewell(self, record: Record, intent: Ending) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await record.gone.wait()
        await self._end(record, intent)

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        """Have this done while `run` is awaited, and not at all where it isn't."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)


def _may_start_again(record: Record) -> bool:
    """No bot ever ran for it, so the same id may be tried again."""
    ending = record.session.ending
    return ending is not None and ending.reason is Reason.LAUNCH_FAILED


def _raise_failure(record: Record) -> None:
    """Say that the launch was refused, or that nobody knows yet."""
    if record.refusal is not None:
        raise record.refusal
    if record.is_in_doubt and record.doubt is not None:
        raise record.doubt.error
