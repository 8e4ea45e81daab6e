"""The watchdog: stops bots that are overdue, and forgets sessions that ended long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from controller.core.deadlines import Limits, Standing, fault_is_ours, next_check_in, overdue
from controller.core.endings import ending_for
from controller.core.primitives.clock import Clock
from controller.core.session import Ending
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from podline.contract.reasons import Reason

TICK_SECONDS: Final = 0.2
"""How late a deadline may be noticed."""

HELD_UP_SECONDS: Final = 5.0
"""A tick this late means that the controller itself was stalled and received nothing meanwhile."""


class Watchdog:
    """Calls `stop` for each bot that is overdue."""

    def __init__(
        self,
        registry: SessionRegistry,
        limits: Limits,
        keep_ended_seconds: float,
        clock: Clock,
        stop: Callable[[Record, Ending], Awaitable[None]],
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._keep_ended_seconds = keep_ended_seconds
        self._clock = clock
        self._stop = stop
        self._listening_since = clock.monotonic()

    async def run(self) -> None:
        self._listening_since = last = self._clock.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._clock.monotonic()
            if now - last > HELD_UP_SECONDS:
                self.excuse_silence(now - last)
            last = now
            await self._stop_overdue(now)
            self._forget_old(now)

    def excuse_silence(self, missed_seconds: float) -> None:
        """Don't count time against bots if we could not receive their reports then."""
        self._listening_since = self._clock.monotonic()
        for record in self._registry.running():
            record.we_were_held_up(missed_seconds)

    async def _stop_overdue(self, now: float) -> None:
        late: list[tuple[Record, Reason]] = []
        for record in self._registry.running():
            if now >= record.check_at:
                standing = self._standing(record, now)
                record.checked(now + next_check_in(standing, self._limits))
                if (reason := overdue(standing, self._limits)) is not None:
                    late.append((record, reason))
        if any(reason is Reason.UNRESPONSIVE for _, reason in late):
            standings = [self._standing(record, now) for record in self._registry.running()]
            if fault_is_ours(standings, self._limits):
                # Those that come back later than the first get their time too.
                self._listening_since = now
                late = [(record, reason) for record, reason in late if reason is not Reason.UNRESPONSIVE]
        for record, reason in late:
            await self._stop(record, ending_for(reason))

    def _standing(self, record: Record, now: float) -> Standing:
        heard = record.heard_at
        return Standing(
            phase=record.session.phase,
            launched=None if record.launched_at is None else now - record.launched_at,
            heard=None if heard is None else now - max(heard, self._listening_since),
            listening=now - self._listening_since,
            max_duration=record.session.max_duration_seconds,
        )

    def _forget_old(self, now: float) -> None:
        for record in self._registry.all():
            if record.ended_at is not None and now - record.ended_at > self._keep_ended_seconds:
                self._registry.drop(record)
