"""How often Daily may be asked: https://docs.daily.co/docs/rest-api/authentication (rate limits)."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_REQUESTS: Final = (100, 5.0)
"""Requests in a window of seconds, for most endpoints; 20 a second on average."""

DELETIONS: Final = (50, 30.0)
"""The same for deleting rooms; about 2 a second. Listing rooms is not among the slower ones."""


class Window:
    """Counts requests in a window that slides."""

    def __init__(self, limit: tuple[int, float], clock: Callable[[], float]) -> None:
        self._most, self._seconds = limit
        self._clock = clock
        self._times: deque[float] = deque()

    def wait(self) -> int | None:
        """Take a request, or return the whole seconds until the next one is taken."""
        now = self._clock()
        while self._times and self._times[0] <= now - self._seconds:
            self._times.popleft()
        if len(self._times) >= self._most:
            return max(1, math.ceil(self._times[0] + self._seconds - now))
        self._times.append(now)
        return None
