"""Launches sessions: the room, then the bot, and again or never where nobody knows whether it was taken."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from controller.core.clock import Clock
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.endings import ending_for
from controller.core.errors import ControllerError, ModelUnavailable, RoomsUnavailable, UnknownOutcome
from controller.core.rooms import Room, Rooms
from controller.core.runtime import Launch, Runtime
from controller.core.session import Ending, Session
from controller.core.start_request import StartRequest
from controller.core.tracing import Tracing
from controller.supervision.assignment import Assigner
from controller.supervision.recorder import Recorder
from controller.supervision.registry import Doubt, Record, SessionRegistry
from podline.contract.reasons import Reason

log = logging.getLogger("podline.supervisor")

_PAUSE_SECONDS: Final = 2.0

_ADOPTION_SECONDS: Final = 30.0
"""How long a launch of unknown outcome waits for its caller to ask again: a few times Retry-After."""

_LAST_LAUNCHES_SECONDS: Final = 5.0
"""How long a controller that leaves waits for launches that are under way."""


class Launcher:
    """Sees each launch through until it was taken, was refused, or is given up."""

    def __init__(  # noqa: PLR0913 - what it is put together from
        self,
        *,
        runtime: Runtime,
        rooms: Rooms,
        registry: SessionRegistry,
        recorder: Recorder,
        assigner: Assigner,
        credentials: Credentials,
        limits: Limits,
        tracing: Tracing,
        clock: Clock,
        end: Callable[[Record, Ending], Awaitable[None]],
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`end` asks a bot to leave; `own` takes over work that nobody waits for."""
        self._runtime = runtime
        self._rooms = rooms
        self._registry = registry
        self._recorder = recorder
        self._assigner = assigner
        self._credentials = credentials
        self._limits = limits
        self._tracing = tracing
        self._clock = clock
        self._end = end
        self._own = own

    async def launch(self, record: Record, order: StartRequest) -> str | None:
        """Make the room, then the bot; what came of it is on the record. Again where that is in doubt.

        Then it is launched again as it is, so there can't be two bots. A failure ends the session.

        Returns:
            What the caller shows at the room's door, where a room was made.
        """
        # A caller who hangs up must not leave a launch half done, nor a launch that fails take others along.
        record.launching = asyncio.create_task(self._launch(record, order))
        return await asyncio.shield(record.launching)

    async def admit(self, session: Session) -> str | None:
        """What the caller of a launched session shows at the room's door, where that is ours to give."""
        if session.room_url and not session.phase.is_end:
            return await self._rooms.admit(session, lifetime_seconds=self.seconds_left(session))
        return None

    def seconds_left(self, session: Session) -> float:
        """For how long, in seconds from now, a caller may need what opens the room and the relays."""
        since = session.timeline.launched or self._clock.now()
        passed = (self._clock.now() - since).total_seconds()
        return max(1.0, self._lifetime(session) - passed)

    async def launch_adopted(self, record: Record) -> None:
        """Launch an adopted session again, as it was: what is there already is left as it is."""
        session, lifetime = record.session, self._lifetime(record.session)
        launch: Launch | None = None
        while not record.session.phase.is_end and record.intent is None:
            try:
                if launch is None:
                    room = await self._rooms.enter_again(session, lifetime_seconds=lifetime)
                    # What the bot of a brought room was given is forgotten with the room's token.
                    issued = {} if room.secrets is None else await self._issue(session)
                    launch = self._assigner.launch(session, room, lifetime, issued)
                await self._launch_bot(launch)
            except (UnknownOutcome, RoomsUnavailable, ModelUnavailable):
                await asyncio.sleep(_PAUSE_SECONDS)
            except ControllerError as error:
                await self._end(record, Ending(reason=Reason.LAUNCH_FAILED, what_happened=error.detail))
            else:
                self._recorder.launched(record)
                return

    async def finish(self) -> None:
        """Let launches that are under way be taken, within bounds, so that whoever asked has an answer."""
        launching = [each.launching for each in self._registry.running() if each.launching is not None]
        if launching:
            await asyncio.wait(launching, timeout=_LAST_LAUNCHES_SECONDS)

    def cancel(self) -> None:
        """Drop all launches that are under way."""
        for record in self._registry.all():
            if record.launching is not None:
                record.launching.cancel()

    async def _launch(self, record: Record, order: StartRequest) -> str | None:
        caller_token = None
        launch = record.doubt.launch if record.doubt is not None else None
        try:
            if launch is None:
                # First, since there is nothing to take back where it fails.
                issued = await self._issue(record.session)
                with self._tracing.step("make room"):
                    room = await self._room(record.session, order)
                self._registry.put(record, replace(record.session, room_url=room.url, room_name=room.name))
                caller_token = room.caller_token
                lifetime = self._lifetime(record.session)
                launch = self._assigner.launch(record.session, room, lifetime, issued)
            await self._hand_over(record, launch, _ADOPTION_SECONDS if order.session_id else 0)
        except ControllerError as error:
            record.refusal = error
            self._fail(record, Ending(reason=Reason.LAUNCH_FAILED, what_happened=error.detail))
        except Exception:
            log.error("launch failed unforeseen", extra={"session_id": record.session.id})  # noqa: TRY400 - it goes on
            self._fail(record, ending_for(Reason.LAUNCH_FAILED))
            raise
        finally:
            record.settled.set()
        return caller_token

    async def _issue(self, session: Session) -> dict[str, str]:
        return await self._credentials.issue(session, lifetime_seconds=self._lifetime(session))

    async def _room(self, session: Session, order: StartRequest) -> Room:
        if order.room is not None:
            return self._rooms.bring(session, *order.room)
        return await self._rooms.open(session, lifetime_seconds=self._lifetime(session))

    async def _hand_over(self, record: Record, launch: Launch, adoption_seconds: float) -> None:
        """Give a launch to the runtime. When nobody knows what came of it, its place stays taken."""
        record.launched_at = self._clock.monotonic()
        record.doubt = None
        try:
            await self._launch_bot(launch)
        except UnknownOutcome as error:
            record.doubt = Doubt(launch=launch, error=error)
            log.warning("launch of unknown outcome", extra={"session_id": record.session.id})
            self._own(self._give_up(record, record.doubt, adoption_seconds))
        else:
            log.info("session launched", extra={"session_id": record.session.id})
            self._recorder.launched(record)
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
            await self._end(record, Ending(reason=Reason.LAUNCH_FAILED, what_happened=doubt.error.detail))

    def _fail(self, record: Record, ending: Ending) -> None:
        self._recorder.ended(record, record.intent or ending)

    def _lifetime(self, session: Session) -> float:
        """For how long, in seconds from now, the session may need its room and its bot at the very most."""
        return self._limits.backstop(session.max_duration_seconds)
