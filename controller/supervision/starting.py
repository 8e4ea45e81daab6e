"""Starts of sessions, as their callers ask for them: once, or again with the same key."""

from __future__ import annotations

from collections.abc import Callable

from controller.core.admission import provider_limit
from controller.core.agents import Agents
from controller.core.errors import SessionConflict
from controller.core.limits import Limit
from controller.core.primitives.clock import Clock
from controller.core.rooms import Rooms
from controller.core.session import Session
from controller.core.start_request import Started, StartRequest
from controller.core.tracing import Tracing
from controller.observe.logs import session_at_work
from controller.supervision.acceptance import Acceptance
from controller.supervision.launcher import Launcher
from controller.supervision.record import Record
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from podline.contract.reasons import Reason


class SessionStarts:
    """Takes each request to a session with a bot, or to the error that says why there is none."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        agents: Agents,
        registry: SessionRegistry,
        rooms: Rooms,
        acceptance: Acceptance,
        recorder: Recorder,
        launcher: Launcher,
        tracing: Tracing,
        clock: Clock,
        insist: Callable[[], None],
    ) -> None:
        """`insist` raises why no session may be started right now, if there is a reason."""
        self._agents = agents
        self._registry = registry
        self._rooms = rooms
        self._acceptance = acceptance
        self._recorder = recorder
        self._launcher = launcher
        self._tracing = tracing
        self._clock = clock
        self._insist = insist

    @property
    def provider(self) -> str:
        """The provider of rooms, which is the callers' transport."""
        return self._rooms.provider

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
        known = self._registry.find(request.session_id) if request.session_id else None
        if known is not None:
            if known.session.request_hash != request.hash:
                raise SessionConflict(known.session.id)
            if not _may_start_again(known):
                return await self._repeat(known, request)
        self._insist()
        record = Record(self._acceptance.session_for(request), self._clock.monotonic())
        wants_room = request.room is None
        load = self._rooms.load(self._registry.rooms_wanted() + 1) if wants_room else None
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
        record = self._registry.find(session.id)
        return 0.0 if record is None else self._launcher.seconds_left(record)

    def limits_now(self) -> list[Limit]:
        """Return the limits of agents, model keys and the room provider as they are now."""
        known = {status.name for status in self._agents.all()} | set(self._registry.phases_by_agent())
        limits = self._registry.admission.shared(known, self._clock.monotonic())
        if (load := self._rooms.load(1)) is not None:
            limits.append(provider_limit(load, self.provider))
        return limits


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
