"""What an operator sees of an agent's pool."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStatus:
    """An agent's warm bots as an operator sees them.

    Attributes:
        wanted: how many should wait now.
        starting: how many are not ready yet.
        ready: how many wait for a session.
        in_use: how many sessions have a bot, warm or not.
        problem: why fewer wait than should; None if nothing is known to be wrong.
    """

    wanted: int = 0
    starting: int = 0
    ready: int = 0
    in_use: int = 0
    problem: str | None = None
