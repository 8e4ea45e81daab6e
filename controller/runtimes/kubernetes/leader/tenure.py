"""The tenure of a leader: until when it may write, by its own clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

WRITE_SECONDS: Final = 3.0
"""How long a leader writes after it sent a renewal that was acknowledged: less than the Lease lasts."""


class Tenure:
    """Begins with the first renewal of the Lease and ends once; between renewals it can lapse.

    Attributes:
        has_ended: the Lease was lost or given up. It doesn't begin again in this process.
        renewed_at: when the last acknowledged renewal was sent; None before the first.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.has_ended = False
        self.renewed_at: float | None = None
        self._monotonic = monotonic

    @property
    def lasts(self) -> bool:
        """Whether it has begun and not ended, lapsed or not."""
        return self.renewed_at is not None and not self.has_ended

    def may_write(self) -> bool:
        """Return whether nobody else can have taken the Lease yet."""
        if self.renewed_at is None or self.has_ended:
            return False
        return self._monotonic() < self.renewed_at + WRITE_SECONDS

    def renewed(self, sent: float) -> bool:
        """A renewal that was sent at this moment was acknowledged. Return whether it is the latest."""
        is_latest = self.renewed_at is None or sent > self.renewed_at
        if is_latest:
            self.renewed_at = sent
        return is_latest
