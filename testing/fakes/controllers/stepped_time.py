"""Time that passes when a test says so, and a wall clock that can be wrong."""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.core.primitives.clock import Clock


class SteppedTime:
    """Time since a beginning.

    Attributes:
        passed: How many seconds have passed.
        wrong_by: By how many seconds the wall clock was set forward.
    """

    def __init__(self, began: datetime) -> None:
        self.passed = 0.0
        self.wrong_by = 0.0
        self.clock = Clock(
            now=lambda: began + timedelta(seconds=self.passed + self.wrong_by),
            monotonic=lambda: self.passed,
        )
