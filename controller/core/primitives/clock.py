"""Time as an argument: the wall clock of timelines, and a monotonic clock for durations."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """`now` returns the time of day in UTC, `monotonic` seconds that never jump."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


def system_clock() -> Clock:
    return Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
