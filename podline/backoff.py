"""Repeated attempts, with pauses that double after each failure in a row."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class Retries:
    """Repeats one kind of attempt; its pauses are in seconds.

    Attributes:
        failures: How many attempts have failed in a row.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self.failures = 0

    def seconds(self, failures: int) -> float:
        """Return how long to wait after this many failures in a row: doubled each time, up to the longest."""
        return min(self._first * 2.0 ** min(failures - 1, 10), self._longest)

    async def pause(self) -> None:
        """Count a failure, and wait."""
        self.failures += 1
        await asyncio.sleep(self.seconds(self.failures))

    def reset(self) -> None:
        """Forget the failures, because an attempt succeeded."""
        self.failures = 0

    async def repeat(self, attempt: Callable[[], Awaitable[bool]], within: float) -> bool:
        """Repeat an attempt until it succeeds, for at most this many seconds; return whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not await attempt():
                    await self.pause()
                return True
        return False
