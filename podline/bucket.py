"""A token bucket: allows bursts, and a limited rate in the long run. Pure."""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds that never jump, such as `time.monotonic`."""


class Bucket:
    """Holds at most `size`, is full at first, and gains `per_second`."""

    def __init__(self, size: float, per_second: float, clock: Clock) -> None:
        self._size = size
        self._per_second = per_second
        self._clock = clock
        self._level = size
        self._filled_at = clock()

    def take(self, amount: float = 1.0) -> bool:
        """Take the amount if the bucket holds it, and return whether it did."""
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if amount > self._level:
            return False
        self._level -= amount
        return True
