"""Acceptance of start requests: each becomes a session or is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from controller.core.agent_terms import BudgetBounds, terms_of
from controller.core.agents import Agents, Preflight
from controller.core.errors import AgentNotConfigured, SessionConflict
from controller.core.primitives.clock import Clock
from controller.core.rooms import Rooms
from controller.core.session import Session, Timeline
from controller.core.start_request import StartRequest
from controller.core.tracing import Tracing
from controller.supervision.assignment import Personas
from controller.supervision.registry import SessionRegistry


class Acceptance:
    """Turns requests into sessions."""

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        agents: Agents,
        preflight: Preflight,
        rooms: Rooms,
        registry: SessionRegistry,
        personas: Personas,
        new_id: Callable[[], str],
        clock: Clock,
        tracing: Tracing,
        budgets: BudgetBounds,
    ) -> None:
        self._agents = agents
        self._preflight = preflight
        self._rooms = rooms
        self._registry = registry
        self._personas = personas
        self._new_id = new_id
        self._clock = clock
        self._tracing = tracing
        self._budgets = budgets

    def session_for(self, request: StartRequest) -> Session:
        """Return the session that a request asks for. It takes no slot yet.

        Raises:
            AgentNotFound, AgentInvalid, AgentNotConfigured: there is no such agent, or it can't be used.
            InvalidRequest: the persona or the room can't be used here, or the agent doesn't allow this.
            SessionConflict: another session's bot is already in the caller's room.
        """
        session = self._session(request)
        if request.persona is not None:
            self._personas.path(request.persona)
        if request.room is None:
            return session
        name = self._rooms.bring(session, *request.room).name
        for other in self._registry.running():
            if other.session.room_name == name:
                is_of_this_agent = other.session.agent == session.agent
                raise SessionConflict.by_room(other.session.id if is_of_this_agent else None)
        return replace(session, room_name=name)

    def _session(self, request: StartRequest) -> Session:
        version = self._agents.current(request.agent)
        if (problem := self._preflight(version)) is not None:
            raise AgentNotConfigured(problem)
        terms = terms_of(request, version.definition, self._rooms.provider, self._budgets)
        return Session(
            id=request.session_id or self._new_id(),
            user_id=request.user_id,
            launch_id=self._new_id(),
            request_hash=request.hash,
            room_provider=self._rooms.provider,
            room_is_brought=request.room is not None,
            agent=request.agent,
            agent_version=version.id,
            body=request.body,
            persona=request.persona,
            max_duration_seconds=terms.max_duration_seconds,
            budget=terms.budget,
            metadata=dict(request.metadata),
            address_tag=request.address_tags[0] if request.address_tags else None,
            timeline=Timeline(accepted=self._clock.now()),
            trace=self._tracing.context(),
            room_properties=request.room_properties,
        )
