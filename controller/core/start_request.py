"""A request for a session, checked, and what comes of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.core.session import NO_BUDGET, Budget, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """A checked request for a session. Equal orders with the same id are the same session.

    Attributes:
        address_tags: of a caller whom nobody named: what their address is known by in records, newest first.
    """

    user_id: str
    session_id: str | None = None
    room: tuple[str, str] | None = None
    max_duration_seconds: int
    budget: Budget = NO_BUDGET
    persona: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    address_tags: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 of what was asked for, the id aside."""
        asked: list[Any] = [self.user_id, self.room, self.max_duration_seconds, self.persona, self.metadata]
        if self.budget != NO_BUDGET:
            # Left out where there is none: hashes on Jobs stay valid across the upgrade that brought budgets.
            asked.append([self.budget.tokens, self.budget.cost])
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A session, the token its caller may have, and whether this very request launched it."""

    session: Session
    caller_token: str | None
    is_new: bool
