"""Time as an argument: the wall clock that timelines are written in, and a monotonic one for waiting."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """`now` is the time of day in UTC, `monotonic` is seconds that never jump."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]


def system_clock() -> Clock:
    return Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic)
