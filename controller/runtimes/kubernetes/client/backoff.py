"""How long to wait before the same request is made again."""

from __future__ import annotations

import random

LONGEST_ASKED_SECONDS = 30.0
"""However long a server asks us to wait, bots are not left unwatched for longer."""


class Backoff:
    """Pauses that double up to a longest one, spread so that not all who failed come back at one moment."""

    def __init__(self, first_seconds: float, longest_seconds: float, rng: random.Random) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._rng = rng
        self._failures = 0

    def next(self, asked_seconds: float | None = None) -> float:
        """Seconds to wait after another failure; no less than the server asks for, within reason."""
        longest: float = min(self._first_seconds * 2.0**self._failures, self._longest_seconds)
        self._failures = min(self._failures + 1, 30)
        asked = min(asked_seconds or 0.0, LONGEST_ASKED_SECONDS)
        return max(asked, longest * self._rng.uniform(0.5, 1.0))

    def reset(self) -> None:
        self._failures = 0
