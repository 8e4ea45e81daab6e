"""The rate of requests to a room provider: turns in order, a known wait, and a lower rate after a 429."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from controller.core.lowering import Lowered, lower
from controller.core.rooms import Rate

_LEAST_SHARE: Final = 0.125
"""Of the full rate. The shortest burst is longer than one request's turn even then."""


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


class Turns:
    """The turns of requests: a burst at once, then a steady rate. Pure.

    This is the generic cell rate algorithm: `_booked_until` is when all turns given so far are used up at the
    full rate, and a request may be early by one burst.
    """

    def __init__(self, burst: int, seconds: float) -> None:
        """`seconds` is how long a burst takes to be regained."""
        self.per_second = burst / seconds
        self._tolerance = seconds
        self._booked_until = 0.0

    def wait_seconds(self, requests: int, now: float, per_second: float) -> float:
        """Return how long the last of so many requests, made now, would wait for its turn."""
        done = max(self._booked_until, now) + requests / per_second
        return max(0.0, done - self._tolerance - now)

    def take(self, now: float, per_second: float) -> float:
        """Take the next turn. Return how long to wait for it."""
        wait = self.wait_seconds(1, now, per_second)
        self._booked_until = max(self._booked_until, now) + 1 / per_second
        return wait


class RequestPace:
    """Gives requests their turns: `async with pace` waits for one."""

    def __init__(self, burst: int, seconds: float, time: Callable[[], float] = _loop_time) -> None:
        """Args: see `Turns`; `time` returns seconds that never jump."""
        self._turns = Turns(burst, seconds)
        self._lowered: Lowered | None = None
        self._time = time

    @property
    def rate(self) -> Rate:
        full = self._turns.per_second
        now = self._time()
        if self._lowered is not None and self._lowered.is_over_at(now):
            self._lowered = None
        return Rate(
            per_second=full if self._lowered is None else self._lowered.level_at(now), full_per_second=full
        )

    def wait_seconds(self, requests: int) -> float:
        """Return how long the last of so many requests, made now, would wait for its turn."""
        return self._turns.wait_seconds(requests, self._time(), self.rate.per_second)

    def refused(self, pause_seconds: float | None) -> None:
        """Lower the rate for a while: the provider answered that it gets too many requests.

        Args:
            pause_seconds: the pause that it asks for, if it does.
        """
        full = self._turns.per_second
        self._lowered = lower(
            self._lowered,
            full=full,
            load=full,
            least=full * _LEAST_SHARE,
            now=self._time(),
            pause_seconds=pause_seconds or 0.0,
        )

    async def __aenter__(self) -> None:
        wait = self._turns.take(self._time(), self.rate.per_second)
        if wait > 0:
            await asyncio.sleep(wait)

    async def __aexit__(self, *_: object) -> None:
        """Do nothing: a turn is used when it begins."""
