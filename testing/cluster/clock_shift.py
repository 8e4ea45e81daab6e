"""`podline serve` with a clock that can be wrong: SIGUSR1 puts it ahead, SIGUSR2 behind; each again: right.

By 5 s, or as many as CLOCK_SHIFT_SECONDS says. Only the time of day is shifted. A monotonic clock never
jumps, whatever is done to a machine's date.
"""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import controller.parts
from controller.__main__ import main
from controller.core.primitives.clock import Clock, system_clock

SECONDS: Final = "CLOCK_SHIFT_SECONDS"
_RIGHT: Final = timedelta(0)


class ShiftedClock:
    """The time of day, and at times another one."""

    def __init__(self, shift: timedelta) -> None:
        self._by_signal = {signal.SIGUSR1: shift, signal.SIGUSR2: -shift}
        self._shift = _RIGHT

    def toggle(self, number: int, _: Any) -> None:
        wanted = self._by_signal[signal.Signals(number)]
        self._shift = _RIGHT if self._shift == wanted else wanted

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift


def serve() -> None:
    shifted = ShiftedClock(timedelta(seconds=float(os.environ.get(SECONDS, "5"))))
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, shifted.toggle)
    clock = Clock(now=shifted.now, monotonic=system_clock().monotonic)
    # All parts take the clock that is made there.
    vars(controller.parts)["system_clock"] = lambda: clock
    main(["serve"])


if __name__ == "__main__":
    serve()
