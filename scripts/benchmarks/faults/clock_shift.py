"""`podline serve` with a clock that can be wrong: each SIGUSR1 puts it 5 s ahead, or right again.

Only the time of day is shifted. A monotonic clock never jumps, whatever is done to a machine's date.
"""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import controller.parts
from controller.__main__ import main
from controller.core.primitives.clock import Clock, system_clock

SHIFT: Final = timedelta(seconds=5)


class ShiftedClock:
    """The time of day, and at times 5 s more."""

    def __init__(self) -> None:
        self._is_ahead = False

    def toggle(self, *_: Any) -> None:
        self._is_ahead = not self._is_ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + (SHIFT if self._is_ahead else timedelta(0))


def serve() -> None:
    shifted = ShiftedClock()
    signal.signal(signal.SIGUSR1, shifted.toggle)
    clock = Clock(now=shifted.now, monotonic=system_clock().monotonic)
    # All parts take the clock that is made there.
    vars(controller.parts)["system_clock"] = lambda: clock
    main(["serve"])


if __name__ == "__main__":
    serve()
