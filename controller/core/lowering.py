"""Limits that refusals from upstream lower for a while, and their recovery by steps. Pure.

A 429 says only that the current load is too much, never how much is allowed. So each burst of refusals takes
a quarter of the load off, and every quiet half minute gives a tenth of the full limit back, as in TCP.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

SHARE_LEFT: Final = 0.75
"""What a lowering leaves of the load that was refused."""

BURST_SECONDS: Final = 10.0
"""Refusals within this time of a lowering have the same cause: many bots notice one exhausted quota."""

HOLD_SECONDS: Final = 60.0
"""Quiet time before the first step up. A provider that asks for a longer pause gets it."""

STEP_SECONDS: Final = 30.0
STEPS: Final = 10
"""A step is this part of the full limit, so a recovery takes six minutes at most."""

LONGEST_HOLD_SECONDS: Final = 3600.0
"""The longest pause that a provider can impose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """A limit after a refusal from upstream.

    Attributes:
        full: the limit without refusals.
        level: the limit that was set at `lowered_at`.
        lowered_at: when it was last lowered, on the monotonic clock.
        hold_until: when the first step up may come.
    """

    full: float
    level: float
    lowered_at: float
    hold_until: float

    def level_at(self, now: float) -> float:
        """Return the limit at this time: never above `full`, never lower than before."""
        if now < self.hold_until:
            return self.level
        steps = 1 + int((now - self.hold_until) / STEP_SECONDS)
        return min(self.full, self.level + steps * self.full / STEPS)

    def seconds_to_step(self, now: float) -> float:
        """Return how long until the next step up."""
        if now < self.hold_until:
            return self.hold_until - now
        return STEP_SECONDS - (now - self.hold_until) % STEP_SECONDS

    def is_over_at(self, now: float) -> bool:
        """Return whether the limit has recovered."""
        return self.level_at(now) >= self.full


def lower(
    before: Lowered | None,
    *,
    full: float,
    load: float,
    least: float,
    now: float,
    pause_seconds: float = 0.0,
) -> Lowered:
    """Return a limit after one more refusal from upstream.

    Args:
        before: the limit as it was; None if it was not lowered.
        full: the limit without refusals.
        load: what was running when upstream refused.
        least: the limit never gets lower than this.
        now: seconds on the monotonic clock.
        pause_seconds: the pause that upstream asks for.
    """
    hold_until = now + min(max(HOLD_SECONDS, pause_seconds), LONGEST_HOLD_SECONDS)
    if before is not None and now - before.lowered_at < BURST_SECONDS:
        return replace(before, hold_until=max(before.hold_until, hold_until))
    current = full if before is None else min(full, before.level_at(now))
    level = max(min(least, full), SHARE_LEFT * min(current, load))
    held = hold_until if before is None else max(before.hold_until, hold_until)
    return Lowered(full=full, level=level, lowered_at=now, hold_until=held)
