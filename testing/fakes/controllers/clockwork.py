"""Event loops that never wait: whenever nothing is left to do, time jumps to the next deadline."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import wraps
from selectors import BaseSelector
from typing import Any, Final

_GLANCE_SECONDS: Final = 0.001
"""Real time in which a socket of this machine has brought what was sent."""

Test = Callable[..., Coroutine[Any, Any, None]]


class Clockwork(asyncio.SelectorEventLoop):
    """Time passes at once. For tests without sockets or processes: their events don't count as work."""

    # What asyncio's loops have and typeshed does not list.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _selector: BaseSelector
    _process_events: Callable[[Any], None]

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def _run_once(self) -> None:
        waiting = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if not self._ready and waiting:
            self._ahead += max(0.0, min(waiting) - self.time())
        super()._run_once()  # type: ignore[misc]  # asyncio's own, which typeshed does not list


class WiredClockwork(Clockwork):
    """Likewise, for sockets whose both ends are in this loop: what they bring comes before time passes."""

    def _run_once(self) -> None:
        if not self._ready:
            self._process_events(self._selector.select(_GLANCE_SECONDS))
        super()._run_once()


def at_once(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test on a `Clockwork`."""
    return _on(Clockwork, test)


def at_once_with_sockets(test: Test) -> Callable[..., None]:
    """Run an async test on a `WiredClockwork`."""
    return _on(WiredClockwork, test)


def _on(loop: Callable[[], asyncio.AbstractEventLoop], test: Test) -> Callable[..., None]:
    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(test(*arguments, **named))

    return run
