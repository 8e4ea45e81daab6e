"""An event loop that never waits: whenever nothing is left to do, time jumps to the next deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps


class Clockwork(asyncio.SelectorEventLoop):
    """Time passes at once. For tests without sockets or processes: their events don't count as work."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def _run_once(self) -> None:
        waiting = [timer.when() for timer in self._scheduled if not timer.cancelled()]
        if not self._ready and waiting:
            self._ahead += max(0.0, min(waiting) - self.time())
        super()._run_once()


def at_once(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run an async test on a `Clockwork`."""

    @wraps(test)
    def run() -> None:
        with asyncio.Runner(loop_factory=Clockwork) as runner:
            runner.run(test())

    return run
