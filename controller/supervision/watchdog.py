"""Looks again and again whose time is up, and forgets what ended long ago."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from controller.core.clock import Clock
from controller.core.deadlines import Limits, Standing, looks_again_in, overdue, we_are_deaf
from controller.core.endings import ending_for
from controller.core.session import Ending
from controller.supervision.registry import Record, SessionRegistry
from podline.contract.reasons import Reason

TICK_SECONDS: Final = 0.2
"""How late a deadline may be noticed."""

HELD_UP_SECONDS: Final = 5.0
"""A tick this late means that we were held up ourselves, and heard nobody meanwhile."""


class Watchdog:
    """Calls `end` for each bot that is overdue."""

    def __init__(
        self,
        registry: SessionRegistry,
        limits: Limits,
        keep_ended_seconds: float,
        clock: Clock,
        end: Callable[[Record, Ending], Awaitable[None]],
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._keep_ended_seconds = keep_ended_seconds
        self._clock = clock
        self._end = end
        self._listening_since = clock.monotonic()

    async def run(self) -> None:
        last = self._clock.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._clock.monotonic()
            if now - last > HELD_UP_SECONDS:
                self._make_up_for(now - last, now)
            last = now
            await self._end_overdue(now)
            self._forget_old(now)

    def _make_up_for(self, missed_seconds: float, now: float) -> None:
        """What bots did while we were held up we have not heard, so that time does not count against them."""
        self._listening_since = now
        for record in self._registry.running():
            if record.launched_at is not None:
                record.launched_at += missed_seconds

    async def _end_overdue(self, now: float) -> None:
        late: list[tuple[Record, Reason]] = []
        for record in self._registry.running():
            if now >= record.look_at:
                standing = self._standing(record, now)
                record.look_at = now + looks_again_in(standing, self._limits)
                if (reason := overdue(standing, self._limits)) is not None:
                    late.append((record, reason))
        if any(reason is Reason.UNRESPONSIVE for _, reason in late):
            standings = [self._standing(record, now) for record in self._registry.running()]
            if we_are_deaf(standings, self._limits):
                late = [(record, reason) for record, reason in late if reason is not Reason.UNRESPONSIVE]
        for record, reason in late:
            await self._end(record, ending_for(reason))

    def _standing(self, record: Record, now: float) -> Standing:
        heard = record.heard_at
        return Standing(
            phase=record.session.phase,
            launched=None if record.launched_at is None else now - record.launched_at,
            heard=None if heard is None else now - max(heard, self._listening_since),
            max_duration=record.session.max_duration_seconds,
        )

    def _forget_old(self, now: float) -> None:
        for record in self._registry.all():
            if record.ended_at is not None and now - record.ended_at > self._keep_ended_seconds:
                self._registry.drop(record)
