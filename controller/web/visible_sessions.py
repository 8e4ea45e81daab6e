"""The sessions that a request may know of: those of the agents that its key is limited to."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from controller.core.errors import SessionNotFound
from controller.core.session import Session
from controller.supervision.registry import SessionRegistry
from controller.web.auth import AgentAccess
from podline.contract.reasons import Phase


class VisibleSessions:
    """All that a route may say about sessions. To the others it is as if they did not exist."""

    def __init__(self, registry: SessionRegistry, access: AgentAccess) -> None:
        self._registry = registry
        self._access = access

    def get(self, session_id: str) -> Session:
        """Raises SessionNotFound."""
        session = self._registry.get(session_id).session
        if not self._access.includes(session.agent):
            raise SessionNotFound(session_id)
        return session

    def running(self) -> list[Session]:
        sessions = (record.session for record in self._registry.running())
        return [each for each in sessions if self._access.includes(each.agent)]

    def phases_of(self, agent: str) -> Mapping[Phase, int]:
        """Return how many sessions one agent has right now, by phase."""
        return self.phases_by_agent().get(agent, Counter())

    def phases_by_agent(self) -> dict[str, Counter[Phase]]:
        """Return how many sessions each agent has right now, by phase. Agents without any are left out."""
        phases = self._registry.phases_by_agent()
        return {agent: counts for agent, counts in phases.items() if self._access.includes(agent)}

    def page(
        self, wanted: Mapping[str, object], limit: int, cursor: str | None
    ) -> tuple[list[Session], str | None]:
        """Return a page as `SessionRegistry.page` does."""
        return self._registry.page(wanted, limit, cursor, lambda each: self._access.includes(each.agent))

    async def follow(
        self, session_id: str | None, last_event_id: str | None
    ) -> AsyncIterator[tuple[str, Session]]:
        """Yield (event id, session) as `SessionRegistry.follow` does."""
        async with aclosing(self._registry.follow(session_id, last_event_id)) as changes:
            async for event_id, session in changes:
                if self._access.includes(session.agent):
                    yield event_id, session
