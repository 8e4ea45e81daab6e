"""The evidence of how a bot ended. A failure includes warnings about Job and pod, and the log's tail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from controller.core.endings import decide_ending
from controller.core.primitives.clock import Clock
from controller.core.runtime import Exit
from controller.core.session import Diagnostics
from controller.runtimes.kubernetes.bots import Bot
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.client.objects import Event
from controller.runtimes.kubernetes.client.redaction import redacted
from controller.runtimes.kubernetes.exit_evidence import explain, has_ended
from podline.contract.reasons import Phase
from podline.contract.text import printable

log = logging.getLogger("podline.runtimes.kubernetes")

_PATIENCE_SECONDS: Final = 5.0
_AT_ONE_TIME: Final = 8
_MOST_EVENTS: Final = 10
_MOST_LINES: Final = 20
_LONGEST_LINE: Final = 300
_MOST_LOG_BYTES: Final = 8 * 1024


class Diagnosis:
    """Gathers evidence for a few bots at a time, and takes a few seconds at most."""

    def __init__(self, client: NamespaceClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._turns = asyncio.Semaphore(_AT_ONE_TIME)

    async def examine(self, bot: Bot) -> Exit:
        """Return the evidence of how a bot ended, with diagnostics if it failed."""
        job = bot.job if bot.job is not None and (has_ended(bot.job) or not bot.job_is_gone) else None
        exit_ = explain(job, bot.pod, (), self._clock.now(), bot.held_up)
        # Only to see whether diagnostics are worth reading: the supervisor decides, with all the evidence.
        if decide_ending(bot.intent, exit_).reason.phase is not Phase.FAILED:
            return exit_
        events, log_end = await self._look(bot)
        exit_ = explain(job, bot.pod, events, self._clock.now(), bot.held_up)
        return replace(exit_, diagnostics=diagnostics(events, log_end, bot.secrets))

    async def _look(self, bot: Bot) -> tuple[list[Event], str]:
        """Return the warnings, oldest first, and the tail of the log. What can't be read is left out."""
        pod_with_log = None if bot.pod_is_gone else bot.pod_name
        try:
            async with self._turns, asyncio.timeout(_PATIENCE_SECONDS):
                return await self._warnings(bot.name, bot.pod_name), await self._log_end(pod_with_log)
        except TimeoutError:
            return [], ""

    async def _warnings(self, job_name: str, pod_name: str | None) -> list[Event]:
        found: list[Event] = []
        try:
            for name in filter(None, (job_name, pod_name)):
                found += await self._client.warnings(name)
        except ApiError as error:
            log.warning("events not read", extra={"job": job_name, "error": str(error)})
        return sorted(found, key=lambda event: int(event.metadata.resource_version or 0))

    async def _log_end(self, pod_name: str | None) -> str:
        if pod_name is None:
            return ""
        try:
            return await self._client.log_end(pod_name, lines=_MOST_LINES, limit_bytes=_MOST_LOG_BYTES)
        except ApiError as error:
            # A container that never started, or a pod that is gone, has none.
            if not (isinstance(error, ApiRefused) and error.status in (400, 404)):
                log.warning("log not read", extra={"pod": pod_name, "error": str(error)})
            return ""


def diagnostics(events: Sequence[Event], log_end: str, secrets: Iterable[str]) -> Diagnostics | None:
    """Return the diagnostics for a record: bounded, and without anything that looks like a credential."""
    secrets = tuple(secrets)
    warnings = [f"{event.reason}: {event.message}" for event in events]
    lines = [line for line in log_end.splitlines() if line.strip()]
    if not warnings and not lines:
        return None
    return Diagnostics(
        events=tuple(_one_line(text, secrets) for text in warnings[-_MOST_EVENTS:]),
        log=tuple(_one_line(text, secrets) for text in lines[-_MOST_LINES:]),
    )


def _one_line(text: str, secrets: Iterable[str]) -> str:
    # Masked before it is cut and after invisible characters are gone, so that every secret is recognised.
    return redacted(printable(text, _MOST_LOG_BYTES), secrets)[:_LONGEST_LINE]
