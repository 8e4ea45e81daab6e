"""A function that is called once, later, unless something happens before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Timer:
    """One call that is due. Starting the timer again replaces it."""

    def __init__(self) -> None:
        self._due: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """True while a call is due."""
        return self._due is not None

    def start(self, seconds: float, function: Callable[..., None], *args: Any) -> None:
        """Call the function in this many seconds; at once, but not yet, if they are negative."""
        self.cancel()
        self._due = asyncio.get_running_loop().call_later(max(0.0, seconds), self._call, function, args)

    def cancel(self) -> None:
        """Let nothing be called."""
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _call(self, function: Callable[..., None], args: tuple[Any, ...]) -> None:
        self._due = None
        function(*args)
