"""The queue between what observes bots or agents and the one reader of its observations."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from controller.core.primitives.flag import Flag

T = TypeVar("T")


class ObservationQueue(Generic[T]):
    """Keeps observations in the order in which they were made. It is unbounded: callbacks can't wait."""

    def __init__(self) -> None:
        self._observations: deque[T] = deque()
        self._arrived = Flag()
        self._emptied = Flag()

    def put(self, observation: T) -> None:
        self._observations.append(observation)
        self._arrived.wake()

    async def emptied(self) -> None:
        """Return once the reader has processed every observation."""
        while self._observations:
            await self._emptied.wait()

    async def read_during(self, work: Coroutine[Any, Any, None]) -> AsyncGenerator[T, None]:
        """Run `work` and yield what it puts into the queue, until it ends; then raise what it raised.

        Closing the generator cancels `work` and waits for it.
        """
        running = asyncio.create_task(work)
        running.add_done_callback(lambda _: self._arrived.wake())
        try:
            while self._observations or not running.done():
                while self._observations:
                    # Removed afterwards, so that `emptied` includes the one that is being processed.
                    yield self._observations[0]
                    self._observations.popleft()
                self._emptied.wake()
                if not running.done():
                    await self._arrived.wait()
            await running
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
