"""A flag to wait for, like `asyncio.Event` but with a tenth of its memory: each session has several."""

from __future__ import annotations

import asyncio


class Flag:
    """A flag that is set or not. Setting it wakes all waiters."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        self._is_set = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self.wake()

    def clear(self) -> None:
        self._is_set = False

    def wake(self) -> None:
        """Wake all current waiters without setting the flag."""
        waiting, self._waiting = self._waiting, None
        for future in waiting or ():
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Return at once if it is set, otherwise when it is set or woken."""
        if self._is_set:
            return
        future = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = []
        waiting = self._waiting
        waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            # Those who wait for a while, again and again, would add up until the flag is woken.
            if future in waiting:
                waiting.remove(future)
            raise
