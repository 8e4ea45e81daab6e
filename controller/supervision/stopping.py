"""Stopping of bots: one by one, and all of them when the controller shuts down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from controller.core.deadlines import Limits
from controller.core.runtime import Runtime
from controller.core.session import Ending
from controller.observe.logs import about
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from podline.contract.reasons import Reason

log = logging.getLogger("podline.supervisor")

_FAREWELL_SECONDS: Final = 2.0
"""How long a bot that was sent the reason for its stop has to leave before it is signalled."""

_SHUTDOWN: Final = Ending(
    reason=Reason.STOPPED,
    what_happened="The controller shut down and stopped its bots.",
    advice="Start another session.",
)


class SessionStopper:
    """Asks bots to leave. A session is `stopping` from then on until its bot is confirmed gone."""

    def __init__(
        self,
        runtime: Runtime,
        registry: SessionRegistry,
        limits: Limits,
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """`own` runs work in the background."""
        self._runtime = runtime
        self._registry = registry
        self._limits = limits
        self._own = own

    async def stop(self, record: Record, intent: Ending) -> None:
        """Record why the bot must leave, then ask it to. Harmless when repeated; the first intent stays."""
        if record.session.phase.is_end:
            return
        record.stopping(intent)
        if record.is_settled:
            with about(record.session.id):
                await self._runtime.stop(record.session, record.intent or intent)

    def stop_later(self, record: Record, intent: Ending) -> None:
        """Send the bot the reason why it must leave; signal it if it hasn't left soon. Returns at once."""
        record.stopping(intent)
        self._own(self._stop_after_farewell(record, intent))

    async def stop_all(self) -> None:
        """Ask all bots to leave. Return when they are gone, or their grace period is over."""
        running = self._registry.running()
        await asyncio.gather(*(self.stop(record, _SHUTDOWN) for record in running))
        try:
            async with asyncio.timeout(self._limits.grace + 1):
                for record in running:
                    await record.until_ended()
        except TimeoutError:
            log.warning("bots outlived the shutdown", extra={"bots": len(self._registry.running())})

    async def _stop_after_farewell(self, record: Record, intent: Ending) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await record.until_ended()
        await self.stop(record, intent)
