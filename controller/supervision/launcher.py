"""Launching of sessions: credentials, room, bot, and what follows an unknown outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

from controller.core.agents import DEFAULT_AGENT, Agents, AgentVersion
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.endings import ending_for
from controller.core.errors import ControllerError, ModelUnavailable, RoomsUnavailable, UnknownOutcome
from controller.core.primitives.clock import Clock
from controller.core.rooms import Room, Rooms
from controller.core.runtime import Launch, Runtime
from controller.core.session import Ending, Session
from controller.core.start_request import StartRequest
from controller.core.tracing import Tracing
from controller.supervision.assignment import Assigner, assignment_of
from controller.supervision.record import Record
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from controller.supervision.stopping import SessionStopper
from controller.supervision.warm.claiming import Claimed, Claimer
from controller.supervision.warm.pool import WarmPool
from podline.contract.reasons import Phase, Reason

log = logging.getLogger("podline.supervisor")

_PAUSE_SECONDS: Final = 2.0

_ADOPTION_SECONDS: Final = 30.0
"""How long a launch of unknown outcome waits for a repeated request: a few times Retry-After."""

_LAST_LAUNCHES_SECONDS: Final = 5.0
"""How long a controller that shuts down waits for launches in progress."""


class Launcher:
    """Takes each launch to its outcome: accepted, refused, or unknown and then repeated or given up."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        agents: Agents,
        runtime: Runtime,
        rooms: Rooms,
        registry: SessionRegistry,
        recorder: Recorder,
        stopper: SessionStopper,
        assigner: Assigner,
        pool: WarmPool,
        claimer: Claimer,
        credentials: Credentials,
        limits: Limits,
        tracing: Tracing,
        clock: Clock,
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`own` runs work in the background."""
        self._agents = agents
        self._runtime = runtime
        self._rooms = rooms
        self._registry = registry
        self._recorder = recorder
        self._stopper = stopper
        self._assigner = assigner
        self._pool = pool
        self._claimer = claimer
        self._credentials = credentials
        self._limits = limits
        self._tracing = tracing
        self._clock = clock
        self._own = own

    async def launch(self, record: Record, request: StartRequest) -> str | None:
        """Make the room, then find or make the bot. The outcome is on the record; a failure ends the session.

        A launch of unknown outcome is handed over again unchanged, so there can't be two bots. A claim of
        unknown outcome is undone first.

        Returns:
            The caller's token for the room, if a room was made.
        """
        # A caller who hangs up must not leave a launch half done; a failed launch must not cancel other work.
        launching = asyncio.create_task(self._launch(record, request))
        record.launch_started(launching)
        return await asyncio.shield(launching)

    async def admit(self, record: Record) -> str | None:
        """Return another token for the caller of a launched session; None if it is not ours to issue."""
        session = record.session
        if session.room_url and not session.phase.is_end:
            return await self._rooms.admit(session, lifetime_seconds=self.seconds_left(record))
        return None

    def seconds_left(self, record: Record) -> float:
        """Return for how many seconds from now a caller may need tokens for the room and the relays."""
        since = record.handed_over_at
        passed = 0.0 if since is None else self._clock.monotonic() - since
        return max(1.0, self._lifetime(record.session) - passed)

    async def launch_adopted(self, record: Record) -> None:
        """Hand over the launch of an adopted session again, until the runtime accepts or refuses it.

        What the other controller has already created stays as it is. A warm bot that was claimed for the
        session is assigned it again, unless the secrets are lost: the bot may have them already.
        """
        session, lifetime = record.session, self._lifetime(record.session)
        launch: Launch | None = None
        while not record.session.phase.is_end and record.intent is None:
            try:
                if launch is None:
                    room = await self._rooms.enter_again(session, lifetime_seconds=lifetime)
                    # The secrets of a brought room's bot are lost with its token; no others are issued.
                    issued = {} if room.secrets is None else await self._issue(session)
                    launch = self._assigner.launch(session, self._version(session), room, lifetime, issued)
                if session.cold_start is not False:
                    await self._launch_bot(launch)
                elif launch.secrets is not None and record.session.phase is Phase.STARTING:
                    record.inbox.assign(session.id, assignment_of(launch))
            except (UnknownOutcome, RoomsUnavailable, ModelUnavailable):
                await asyncio.sleep(_PAUSE_SECONDS)
            except ControllerError as error:
                await self._stopper.stop(record, launch_failed(error))
            else:
                record.launched(self._clock.now())
                return

    async def finish(self) -> None:
        """Wait for launches in progress, up to a limit, so that their callers get an answer."""
        launching = [each.launching for each in self._registry.running() if each.launching is not None]
        if launching:
            await asyncio.wait(launching, timeout=_LAST_LAUNCHES_SECONDS)

    def cancel(self) -> None:
        """Cancel all launches in progress."""
        for record in self._registry.all():
            if record.launching is not None:
                record.launching.cancel()

    async def _launch(self, record: Record, request: StartRequest) -> str | None:
        caller_token = None
        launch, may_claim = record.launch_to_repeat, record.is_claim_open
        try:
            if launch is None:
                # First, because there is nothing to undo if it fails.
                issued = await self._issue(record.session)
                with self._tracing.step("make room"):
                    room = await self._room(record.session, request)
                record.room_opened(room)
                caller_token = room.caller_token
                lifetime = self._lifetime(record.session)
                version = self._version(record.session)
                self._pool.arrived(version)
                launch = self._assigner.launch(record.session, version, room, lifetime, issued)
                may_claim = True
            await self._hand_over(
                record, launch, _ADOPTION_SECONDS if request.session_id else 0, may_claim=may_claim
            )
            if caller_token is not None and record.session.cold_start is False:
                caller_token = await self._token_after_claim(record, caller_token)
        except ControllerError as error:
            record.refused(error)
            self._fail(record, launch_failed(error))
        except Exception:
            log.error("launch failed unexpectedly", extra={"session_id": record.session.id})  # noqa: TRY400 - it goes on
            self._fail(record, ending_for(Reason.LAUNCH_FAILED))
            raise
        finally:
            record.settled()
        return caller_token

    async def _issue(self, session: Session) -> dict[str, str]:
        """Have credentials issued for the model and the store of the assistant, whose they are."""
        if session.agent != DEFAULT_AGENT:
            return {}
        try:
            return await self._credentials.issue(session, lifetime_seconds=self._lifetime(session))
        except ModelUnavailable as error:
            if error.is_quota:
                self._note_quota(session, error.retry_after)
            raise

    def _note_quota(self, session: Session, pause_seconds: float | None) -> None:
        """Lower the limit of the model key, which its provider has refused."""
        now = self._clock.monotonic()
        limit = self._registry.admission.key_refused(session.agent, now, pause_seconds or 0.0)
        extra = {"session_id": session.id, "model_key": limit.subject, "sessions": limit.most}
        log.warning("model key limited", extra=extra)

    def _version(self, session: Session) -> AgentVersion:
        """Return the version that a session was accepted with; the active one if that is not kept."""
        accepted = self._agents.version(session.agent, session.agent_version or "")
        return accepted or self._agents.current(session.agent)

    async def _room(self, session: Session, request: StartRequest) -> Room:
        if request.room is not None:
            return self._rooms.bring(session, *request.room)
        return await self._rooms.open(session, lifetime_seconds=self._lifetime(session))

    async def _token_after_claim(self, record: Record, caller_token: str) -> str | None:
        """Return the caller's token for the room: another one if it is for the launch, which has changed."""
        return await self.admit(record) if self._rooms.token_is_of_launch else caller_token

    async def _hand_over(
        self, record: Record, launch: Launch, adoption_seconds: float, *, may_claim: bool
    ) -> None:
        """Give a launch to a warm bot or to the runtime. If the outcome is unknown, the slot stays taken."""
        try:
            claimed = await self._claim(record, launch) if may_claim else Claimed.NO
            if claimed is Claimed.NO:
                record.handed_over(self._clock.monotonic())
                launch = replace(launch, session=replace(launch.session, cold_start=True))
                await self._launch_bot(launch)
        except UnknownOutcome as error:
            record.outcome_unknown(launch, error)
            log.warning("launch of unknown outcome", extra={"session_id": record.session.id})
            self._own(self._give_up(record, record.attempts, error, adoption_seconds))
        else:
            if claimed is Claimed.STOPPED:
                self._fail(record, ending_for(Reason.STOPPED))
                return
            log.info("session launched", extra={"session_id": record.session.id})
            record.launched(self._clock.now())
        if record.intent is not None:
            await self._runtime.stop(record.session, record.intent)

    async def _claim(self, record: Record, launch: Launch) -> Claimed:
        """Give a launch to a warm bot, after making certain that no earlier claim of it comes to anything."""
        if record.is_claim_open:
            await self._claimer.settle(record, launch)
        return await self._claimer.claim(record, launch)

    async def _launch_bot(self, launch: Launch) -> None:
        """Have the runtime launch the bot. The bot's own spans belong to this step of the session's trace."""
        with self._tracing.step("launch bot", continues=launch.session.trace):
            await self._runtime.launch(launch.continuing(self._tracing.context()))

    async def _give_up(
        self, record: Record, attempt: int, error: UnknownOutcome, adoption_seconds: float
    ) -> None:
        """Stop the bot that this attempt may have launched, unless the caller repeats the request in time."""
        await asyncio.sleep(adoption_seconds)
        if record.unknown_outcome is not None and record.attempts == attempt:
            await self._stopper.stop(record, launch_failed(error))

    def _fail(self, record: Record, ending: Ending) -> None:
        self._recorder.ended(record, record.intent or ending)

    def _lifetime(self, session: Session) -> float:
        """Return for how many seconds from now the session may need its room and its bot at most."""
        return self._limits.backstop(session.max_duration_seconds)


def launch_failed(error: ControllerError) -> Ending:
    """Return the ending of a session that got no bot."""
    return Ending(reason=Reason.LAUNCH_FAILED, what_happened=error.detail)
