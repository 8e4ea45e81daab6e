"""Changes that are finished once begun, even if the function call that asked for them is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self, TypeVar

from loguru import logger

T = TypeVar("T")


class Changes:
    """Runs changes one at a time, in the order requested, so that a repeated one can't undo a later one.

    This object owns them, not the function call: an interruption ends the call but not the change, and
    leaving the `async with` waits for it.
    """

    def __init__(self, finish_within: float) -> None:
        """Begin with none. `finish_within` is how many seconds the end of the call waits for them."""
        self._finish_within = finish_within
        self._one_at_a_time = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._tasks:
            return
        _done, unfinished = await asyncio.wait(self._tasks, timeout=self._finish_within)
        for task in unfinished:
            task.cancel()
        if unfinished:
            logger.warning("changes not finished at the end of the call", count=len(unfinished))
            await asyncio.wait(unfinished)

    async def make(
        self, change: Callable[[], Awaitable[T]], within: float, report: Callable[[T], Awaitable[None]]
    ) -> T | None:
        """Make a change, and return its result if it is ready in time.

        Otherwise return None, or pass on a cancellation, and call `report` with the result later.

        Args:
            change: What to do.
            within: Seconds, counted from now: changes before this one take their time as well.
            report: Called at most once.
        """
        task = self._start(self._in_turn(change))
        try:
            await asyncio.wait({task}, timeout=within)
        except asyncio.CancelledError:
            self._start(_report(task, report))
            raise
        if task.done():
            return task.result()
        self._start(_report(task, report))
        return None

    async def _in_turn(self, change: Callable[[], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            return await change()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _report(task: asyncio.Task[T], report: Callable[[T], Awaitable[None]]) -> None:
    await report(await task)
