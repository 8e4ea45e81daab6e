"""The pauses between attempts, in tenacity's form. Pure, except for random numbers."""

from __future__ import annotations

import random
from typing import Final

from tenacity import RetryCallState
from tenacity.wait import wait_base

LONGEST_ASKED_SECONDS: Final = 30.0
"""The longest pause that a server may ask for: bots are not left unwatched for longer."""

_MOST_DOUBLINGS: Final = 30


class RetryWait(wait_base):
    """Pauses that double up to a longest one, spread so that clients don't return at the same moment.

    An error's `retry_after` is respected, up to `LONGEST_ASKED_SECONDS`.
    """

    def __init__(self, first_seconds: float, longest_seconds: float, rng: random.Random) -> None:
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome is not None else None
        return self.pause(retry_state.attempt_number, getattr(error, "retry_after", None))

    def pause(self, failures: int, asked_seconds: float | None = None) -> float:
        """Return the seconds to wait after this many failures in a row, the latest one included."""
        doublings = min(failures - 1, _MOST_DOUBLINGS)
        longest: float = min(self._first_seconds * 2.0**doublings, self._longest_seconds)
        asked = min(asked_seconds or 0.0, LONGEST_ASKED_SECONDS)
        return max(asked, longest * self._rng.uniform(0.5, 1.0))
