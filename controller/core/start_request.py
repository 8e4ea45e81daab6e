"""A checked request for a session, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.core.agents import DEFAULT_AGENT
from controller.core.session import NO_BUDGET, Budget, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A checked request for a session. Equal requests with the same id are the same session.

    Attributes:
        agent: the name of an agent; a request that names none is one for the default.
        body: JSON for the bot; None for none.
        max_duration_seconds: as asked, or the operator's default; an agent may have less.
        budget: likewise.
        asked_seconds: the duration that the request itself asks for; None if it asks for none.
        asked_budget: likewise.
        room_properties: of the room to create, as its provider names them.
        address_tags: of a caller without a name: the tags of their address in records, newest first.
    """

    user_id: str
    session_id: str | None = None
    agent: str = DEFAULT_AGENT
    body: str | None = field(default=None, repr=False)
    room: tuple[str, str] | None = None
    max_duration_seconds: int
    budget: Budget = NO_BUDGET
    asked_seconds: int | None = None
    asked_budget: Budget = NO_BUDGET
    persona: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    address_tags: tuple[str, ...] = ()
    room_properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """SHA-256 of everything requested except the id."""
        asked: list[Any] = [self.user_id, self.room, self.max_duration_seconds, self.persona, self.metadata]
        if self.budget != NO_BUDGET:
            # Without a budget the hash is that of releases without budgets: hashes on their Jobs stay valid.
            asked.append([self.budget.tokens, self.budget.cost])
        if self.agent != DEFAULT_AGENT or self.body is not None:
            # Likewise that of releases without agents. No budget is an object.
            asked.append({"agent": self.agent, "body": self.body})
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A session, its caller's token, and whether this very request launched it."""

    session: Session
    caller_token: str | None
    is_new: bool
