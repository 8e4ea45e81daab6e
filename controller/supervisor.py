"""Starts sessions, follows each until it has surely ended, and stops those whose time is up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from controller.adoption import adopted
from controller.assignment import Assigner
from controller.clock import Clock
from controller.deadlines import Limits
from controller.endings import decide_ending, ending_for
from controller.errors import (
    ControllerError,
    LaunchEnded,
    LaunchUnknown,
    RoomsUnavailable,
    RuntimeUnavailable,
    SessionConflict,
    SessionEnded,
    ShuttingDown,
)
from controller.ledger import Ledger, furthest, moments
from controller.logs import about, session_at_work
from controller.metrics import Metrics
from controller.orders import Order, Started
from controller.room_keeper import RoomKeeper
from controller.rooms import Room, Rooms
from controller.runtime import Exit, Launch, Runtime, Sighting
from controller.sessions import Diagnostics, Ending, Session, Timeline
from controller.tracing import Tracing, Untraced
from controller.view import Doubt, Record, View
from controller.watchdog import Watchdog
from protocol.messages import InboxAnswer, InboxMessage, Report
from protocol.reasons import Phase, Reason

log = logging.getLogger("podline.supervisor")

_SHUTDOWN: Final = "The controller was shut down and took its bots along. Start the session again."

_LAST_LAUNCHES_SECONDS: Final = 5.0
"""How long a controller that leaves waits for launches that are under way."""

_PAUSE_SECONDS: Final = 2.0

_ADOPTION_SECONDS: Final = 30.0
"""How long a launch of unknown outcome waits for its caller to ask again: a few times Retry-After."""


class Supervisor:
    """Owns the view. `run` must be awaited for as long as sessions are to be served."""

    def __init__(  # noqa: PLR0913 - what it is put together from
        self,
        *,
        runtime: Runtime,
        rooms: Rooms,
        view: View,
        assigner: Assigner,
        limits: Limits,
        keep_ended_seconds: float,
        clock: Clock,
        new_id: Callable[[], str],
        metrics: Metrics,
        tracing: Tracing | None = None,
    ) -> None:
        self.view = view
        self._metrics = metrics
        self._tracing = tracing or Untraced()
        self.limits = limits
        self._runtime = runtime
        self._rooms = rooms
        self._assigner = assigner
        self._clock = clock
        self._new_id = new_id
        self.started = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._is_closing = False
        self._room_keeper = RoomKeeper(rooms, view, self.trouble)
        self._watchdog = Watchdog(view, limits, keep_ended_seconds, clock, self._end)

    @property
    def provider(self) -> str:
        """The provider of rooms, which is the callers' transport."""
        return self._rooms.provider

    # --- its own life ---

    async def run(self) -> None:
        """Follow all bots and keep all deadlines, for as long as this is awaited."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._runtime.follow(self._seen))
                self._tasks.create_task(self._room_keeper.run())
                self.started.set()
                await self._watchdog.run()
        finally:
            self._tasks = None
            for record in self.view.all():
                if record.launching is not None:
                    record.launching.cancel()

    def is_alive(self) -> bool:
        return self._tasks is not None

    def trouble(self) -> str | None:
        """Why no session can be started right now, as a sentence; None while they can."""
        if not self.is_alive():
            return "The controller is broken and must be restarted."
        if self._is_closing:
            return "The controller is shutting down."
        return self._runtime.trouble()

    async def close(self) -> None:
        """Take nothing more on, and see off the bots that would not outlive us.

        Then all who wait for anything are sent home, also when this is cut short. Again is harmless.
        """
        if self._is_closing:
            return
        self._is_closing = True
        try:
            if self._runtime.outlives_us:
                await self._finish_launches()
            else:
                await self._end_all()
            await self._room_keeper.finish()
        finally:
            for record in self.view.running():
                record.inbox.close(ShuttingDown())
            self.view.close()

    async def _end_all(self) -> None:
        """Ask all bots to leave, and return when they have gone or had their time."""
        running = self.view.running()
        intent = Ending(reason=Reason.STOPPED, message=_SHUTDOWN)
        await asyncio.gather(*(self._end(record, intent) for record in running))
        try:
            async with asyncio.timeout(self.limits.grace + 1):
                for record in running:
                    await record.gone.wait()
        except TimeoutError:
            log.warning("bots outlived the shutdown", extra={"bots": len(self.view.running())})

    async def _finish_launches(self) -> None:
        """Let launches that are under way be taken, so that whoever asked has an answer."""
        launching = [each.launching for each in self.view.running() if each.launching is not None]
        if launching:
            await asyncio.wait(launching, timeout=_LAST_LAUNCHES_SECONDS)

    # --- what callers ask for ---

    async def start(self, order: Order) -> Started:
        """Launch a bot for this order, or find the session that the same order has made before.

        Raises:
            SessionConflict: the id stands for another order.
            InvalidRequest: the persona or the room is not one that can be used here.
            CapacityReached, UserLimitReached: no place is free.
            RoomsUnavailable, RuntimeUnavailable, ShuttingDown: nothing was launched; asking again may help.
        """
        known = self.view.find(order.session_id) if order.session_id else None
        if known is not None:
            if known.session.request_hash != order.hash:
                raise SessionConflict(known.session.id)
            if not _may_start_again(known):
                return await self._repeat(known, order)
        if self._is_closing:
            raise ShuttingDown
        if (trouble := self.trouble()) is not None:
            raise RuntimeUnavailable(trouble)
        record = Record(session=self._checked(self._accepted(order), order))
        self.view.add(record)
        self._metrics.started(record.session)
        session_at_work.set(record.session.id)
        self._tracing.is_about(record.session.id)
        # A caller who hangs up must not leave a launch half done, nor a launch that fails take others along.
        record.launching = asyncio.create_task(self._launch(record, order))
        caller_token = await asyncio.shield(record.launching)
        if record.doubt is not None:
            raise record.doubt.error
        _raise_failure(record)
        return Started(session=record.session, caller_token=caller_token, is_new=True)

    async def stop(self, session_id: str) -> Session:
        """Ask a session's bot to leave. Its session is `stopping` until the bot has surely gone.

        Raises:
            SessionNotFound: there is no such session.
        """
        record = self.view.get(session_id)
        await self._end(record, ending_for(Reason.STOPPED))
        return record.session

    async def offer(self, session_id: str, offer: dict[str, Any]) -> dict[str, Any]:
        """Hand a WebRTC offer to the bot and wait for its answer. Raises as `Inbox.offer` does."""
        return await self.view.get(session_id).inbox.offer(offer, self.limits.start_timeout)

    async def candidates(self, session_id: str, candidates: dict[str, Any]) -> dict[str, Any]:
        """Hand ICE candidates to the bot. Raises as `Inbox.candidates` does."""
        return await self.view.get(session_id).inbox.candidates(candidates, self.limits.start_timeout)

    # --- what bots tell ---

    def report(self, launch_id: str, report: Report, unknown: Sequence[str] = ()) -> int:
        """Take one batch into the record; returns the number of the last one counted.

        `unknown` are the kinds of events that only a newer bot can tell of.

        Raises:
            LaunchEnded: nobody waits for it any more.
        """
        record = self._heard(launch_id)
        if record.ledger.count(report):
            self._record_usage(record, report)
            self._metrics.batch_added(record.session, report, record.ledger.last)
            self._metrics.events_unknown(unknown)
        else:
            self._metrics.batch_repeated()
        return record.ledger.counted

    async def poll(self, launch_id: str, after: str | None, timeout_seconds: float) -> list[InboxMessage]:
        """What the bot must be told; waits for it. Raises LaunchEnded."""
        return await self._heard(launch_id).inbox.poll(after, timeout_seconds)

    def answer(self, launch_id: str, message_id: str, answer: InboxAnswer) -> None:
        """Take the bot's answer to one message. Raises LaunchEnded."""
        self._heard(launch_id).inbox.answer(message_id, answer)

    # --- the way of a session ---

    def _accepted(self, order: Order) -> Session:
        return Session(
            id=order.session_id or self._new_id(),
            user_id=order.user_id,
            launch_id=self._new_id(),
            request_hash=order.hash,
            room_provider=self._rooms.provider,
            room_is_brought=order.room is not None,
            persona=order.persona,
            max_duration_seconds=order.max_duration_seconds,
            metadata=dict(order.metadata),
            timeline=Timeline(accepted=self._clock.now()),
            trace=self._tracing.context(),
        )

    def _checked(self, session: Session, order: Order) -> Session:
        if order.persona is not None:
            self._assigner.personas.path(order.persona)
        if order.room is None:
            return session
        name = self._rooms.bring(session, *order.room).name
        for other in self.view.running():
            if other.session.room_name == name:
                raise SessionConflict.by_room(other.session.id)
        return replace(session, room_name=name)

    async def _repeat(self, record: Record, order: Order) -> Started:
        self._tracing.is_about(record.session.id)
        while not record.settled.is_set():  # whoever woke first may have launched it again
            await record.settled.wait()
        if record.is_in_doubt and record.doubt is not None:
            record.settled.clear()
            record.launching = asyncio.create_task(self._launch(record, order, record.doubt.launch))
            await asyncio.shield(record.launching)
        _raise_failure(record)
        session = record.session
        token = None
        if session.room_url and not session.room_is_brought and not session.phase.is_end:
            token = await self._rooms.admit(session, lifetime_seconds=self._lifetime(session))
        return Started(session=record.session, caller_token=token, is_new=False)

    async def _launch(self, record: Record, order: Order, doubtful: Launch | None = None) -> str | None:
        """Make the room, then the bot; a failure of either is recorded and ends the session.

        Args:
            record: of the session.
            order: what was asked for.
            doubtful: a launch of unknown outcome; launched again as it is, so there can't be two bots.

        Returns:
            What the caller shows at the room's door, where a room was made.
        """
        caller_token = None
        try:
            launch = doubtful
            if launch is None:
                with self._tracing.step("make room"):
                    room = await self._room(record.session, order)
                self.view.put(record, replace(record.session, room_url=room.url, room_name=room.name))
                caller_token = room.caller_token
                deadline = self.limits.backstop(order.max_duration_seconds)
                launch = self._assigner.launch(record.session, room, deadline)
            await self._hand_over(record, launch, _ADOPTION_SECONDS if order.session_id else 0)
        except ControllerError as error:
            record.refusal = error
            self._ended(record, record.intent or Ending(reason=Reason.LAUNCH_FAILED, message=error.detail))
        except Exception:
            log.error("launch failed unforeseen", extra={"session_id": record.session.id})  # noqa: TRY400 - it goes on
            self._ended(record, record.intent or ending_for(Reason.LAUNCH_FAILED))
            raise
        finally:
            record.settled.set()
        return caller_token

    async def _hand_over(self, record: Record, launch: Launch, adoption_seconds: float) -> None:
        """Give a launch to the runtime. When nobody knows what came of it, its place stays taken."""
        record.launched_at = self._clock.monotonic()
        record.doubt = None
        try:
            await self._launch_bot(launch)
        except LaunchUnknown as error:
            record.doubt = Doubt(launch=launch, error=error)
            log.warning("launch of unknown outcome", extra={"session_id": record.session.id})
            if self._tasks is not None:
                self._tasks.create_task(self._give_up(record, record.doubt, adoption_seconds))
        else:
            log.info("session launched", extra={"session_id": record.session.id})
            if not record.session.phase.is_end:
                self.view.put(record, record.session.marked(launched=self._clock.now()))
        if record.intent is not None:
            await self._runtime.stop(record.session.launch_id, record.intent)

    async def _launch_bot(self, launch: Launch) -> None:
        """As the runtime does; what the bot has to tell comes under this in the trace of its session."""
        with self._tracing.step("launch bot", continues=launch.session.trace):
            await self._runtime.launch(launch.continuing(self._tracing.context()))

    async def _give_up(self, record: Record, doubt: Doubt, adoption_seconds: float) -> None:
        """Stop what may have been launched, unless its caller asks for it again in time."""
        await asyncio.sleep(adoption_seconds)
        if record.doubt is doubt:
            await self._end(record, Ending(reason=Reason.LAUNCH_FAILED, message=doubt.error.detail))

    async def _room(self, session: Session, order: Order) -> Room:
        if order.room is not None:
            return self._rooms.bring(session, *order.room)
        return await self._rooms.open(session, lifetime_seconds=self._lifetime(session))

    def _lifetime(self, session: Session) -> float:
        """For how long, in seconds from now, the session may need its room at the very most."""
        return self.limits.backstop(session.max_duration_seconds)

    def _seen(self, sighting: Sighting) -> None:
        """Take in what the runtime has seen of a bot. Only records: nothing here waits."""
        if sighting.found is not None:
            with about(sighting.found.id):
                self._adopt(sighting.found)
        record = self.view.by_launch(sighting.launch_id)
        if record is not None and not record.session.phase.is_end:
            with about(record.session.id):
                self._take_in(record, sighting)

    def _take_in(self, record: Record, sighting: Sighting) -> None:
        self.view.put(record, record.session.marked(scheduled=sighting.scheduled))
        if sighting.intent is not None and record.intent is None and self._tasks is not None:
            record.intent = sighting.intent
            self._tasks.create_task(self._end(record, sighting.intent))
        if sighting.exit is not None:
            self._record_last_word(record, sighting.exit)
            self._ended(record, decide_ending(record.intent, sighting.exit), sighting.exit.diagnostics)

    def _adopt(self, session: Session) -> None:
        """Take over a session that another controller has started; finish its launch where that is open."""
        known = self.view.find(session.id)
        if known is not None and (
            known.session.launch_id == session.launch_id or not known.session.phase.is_end
        ):
            return
        record = adopted(session, self._clock)
        self.view.adopt(record)
        if session.phase is Phase.STARTING and self._tasks is not None:
            self._tasks.create_task(self._finish_launch(record))

    async def _finish_launch(self, record: Record) -> None:
        """Launch an adopted session again, as it was: what is there already is left as it is."""
        session, lifetime = record.session, self._lifetime(record.session)
        launch: Launch | None = None
        while not record.session.phase.is_end and record.intent is None:
            try:
                if launch is None:
                    room = await self._rooms.enter_again(session, lifetime_seconds=lifetime)
                    launch = self._assigner.launch(session, room, lifetime)
                await self._launch_bot(launch)
            except (LaunchUnknown, RoomsUnavailable):
                await asyncio.sleep(_PAUSE_SECONDS)
            except ControllerError as error:
                await self._end(record, Ending(reason=Reason.LAUNCH_FAILED, message=error.detail))
            else:
                self.view.put(record, record.session.marked(launched=self._clock.now()))
                return

    def _heard(self, launch_id: str) -> Record:
        record = self.view.by_launch(launch_id)
        if record is None and (trouble := self._runtime.trouble()) is not None:
            # It may be one that is not found again yet.
            raise RuntimeUnavailable(trouble)
        if record is None or record.session.phase.is_end:
            raise LaunchEnded
        record.heard_at = self._clock.monotonic()
        return record

    def _record_usage(self, record: Record, report: Report) -> None:
        session = record.session
        marks = moments(report.timeline, self._clock.now(), session.timeline.accepted)
        self.view.put(record, session.marked(**marks).used(furthest(session.usage, report.totals)))
        record.learn_start(report.timeline)
        if record.session.timeline.first_speech is not None:
            self._tell_start(record)
        if session.phase is Phase.STARTING and record.session.phase is Phase.LIVE:
            self._runtime.record(record.session)

    def _tell_start(self, record: Record) -> None:
        """Have a start measured, once, unless another controller has or may have."""
        if record.start_is_told is False:
            self._metrics.start_is_over(record.session)
        record.start_is_told = True

    def _record_last_word(self, record: Record, exit_: Exit) -> None:
        """Its totals hold what was reported when it was written, and what no report carried any more."""
        session, word = record.session, exit_.last_word
        if word is None:
            self.view.put(record, session.used(session.usage, partial=True))
        else:
            marks = moments(word.timeline, exit_.at, session.timeline.accepted)
            record.learn_start(word.timeline)
            usage = furthest(session.usage, word.totals)
            self.view.put(record, session.marked(**marks).used(usage, partial=not word.is_final))
        self._metrics.usage.add(record.session, record.ledger.uncounted(record.session.usage, word))
        record.ledger = Ledger()  # nothing more is taken, and thousands of ended sessions are kept

    async def _end(self, record: Record, intent: Ending) -> None:
        """Record why the bot must leave, then ask it to. Asking again is harmless."""
        if record.session.phase.is_end:
            return
        record.intent = record.intent or intent
        self.view.put(record, record.session.moved(Phase.STOPPING))
        record.inbox.stop()
        if record.settled.is_set():
            with about(record.session.id):
                await self._runtime.stop(record.session.launch_id, record.intent)

    def _ended(self, record: Record, ending: Ending, diagnostics: Diagnostics | None = None) -> None:
        """The bot has surely gone, or never was. Close the record and free the place."""
        is_news = not record.session.phase.is_end
        session = record.session.ended(ending, self._clock.now())
        if session.phase is Phase.FAILED:
            session = replace(session, diagnostics=diagnostics)
        record.ended_at = self._clock.monotonic()
        record.inbox.close(SessionEnded.by(ending.message))
        self.view.put(record, session)
        record.gone.set()
        if is_news:
            is_start_known = record.start_is_told is not None
            self._tell_start(record)
            self._metrics.ended(session, is_start_known=is_start_known)
            self._tracing.ended(session)
        self._runtime.record(session)
        log.info("session ended", extra={"session_id": session.id, "reason": str(ending.reason)})
        if session.room_url and not session.room_is_brought:
            self._room_keeper.close(session)


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
