"""Messages between bots and callers: each goes to the record of its session, or to the pool of warm bots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.core.deadlines import Limits
from controller.core.errors import LaunchEnded, RuntimeUnavailable
from controller.core.primitives.clock import Clock
from controller.core.runtime import Runtime
from controller.supervision.budgets import BudgetKeeper
from controller.supervision.record import Record
from controller.supervision.recorder import Recorder
from controller.supervision.registry import SessionRegistry
from controller.supervision.warm.pool import WarmPool
from podline.contract.messages import Assignment, InboxAnswer, InboxPage, Report


class Switchboard:
    """Takes what bots say, and hands them what is for them."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        registry: SessionRegistry,
        pool: WarmPool,
        recorder: Recorder,
        budgets: BudgetKeeper,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._runtime = runtime
        self._registry = registry
        self._pool = pool
        self._recorder = recorder
        self._budgets = budgets
        self._limits = limits
        self._clock = clock

    def report(self, launch_id: str, report: Report, unknown: Sequence[str] = ()) -> int:
        """Add one batch of a bot to its record. Return the number of the last batch counted.

        `unknown` are kinds of events that only a newer bot can report.

        Raises:
            LaunchEnded: the session has ended, or never existed.
            RateLimited: more batches came than any bot sends.
        """
        if self._is_warm(launch_id):
            return self._pool.bots.report(launch_id, report, self._clock.monotonic())
        record = self._heard(launch_id)
        if report.seq > 1:
            # A warm bot's first report may be repeated after it was given its session; the others say that
            # it has it.
            record.inbox.assignment_arrived()
        counted = self._recorder.report(record, report, unknown)
        self._budgets.check(record)
        return counted

    async def poll(self, launch_id: str, after: str | None, timeout_seconds: float) -> InboxPage:
        """Return the messages for the bot; wait for one. Raises LaunchEnded."""
        if self._is_warm(launch_id):
            return await self._pool.bots.poll(launch_id, after, timeout_seconds, self._clock.monotonic)
        inbox = self._heard(launch_id).inbox
        messages = await inbox.poll(after, timeout_seconds)
        return InboxPage(messages=messages, withdrawn=inbox.take_withdrawn())

    def answer(self, launch_id: str, message_id: str, answer: InboxAnswer) -> Assignment | None:
        """Accept the bot's answer to one message. Return what it receives if it has confirmed its session.

        Raises LaunchEnded.
        """
        if self._is_warm(launch_id):
            return self._pool.bots.answer(launch_id, message_id, answer, self._clock.monotonic())
        inbox = self._heard(launch_id).inbox
        assignment = inbox.assignment_for(message_id) if answer.refusal is None else None
        inbox.answer(message_id, answer)
        return assignment

    def _is_warm(self, launch_id: str) -> bool:
        """Whether this is a warm bot without a session."""
        return launch_id in self._pool.bots and self._registry.by_launch(launch_id) is None

    async def offer(self, session_id: str, offer: dict[str, Any]) -> dict[str, Any]:
        """Relay a WebRTC offer to the bot and wait for its answer. Raises as `Inbox.offer` does."""
        return await self._registry.get(session_id).inbox.offer(offer, self._limits.start_timeout)

    async def candidates(self, session_id: str, candidates: dict[str, Any]) -> dict[str, Any]:
        """Relay ICE candidates to the bot. Raises as `Inbox.candidates` does."""
        return await self._registry.get(session_id).inbox.candidates(candidates, self._limits.start_timeout)

    async def look_for(self, launch_id: str) -> None:
        """Have a launch known whose bot speaks to us, if it exists. Raises RuntimeUnavailable."""
        if self._registry.by_launch(launch_id) is None:
            await self._runtime.look_for(launch_id)

    def _heard(self, launch_id: str) -> Record:
        record = self._registry.by_launch(launch_id)
        if record is None and (not_ready_reason := self._runtime.not_ready_reason()) is not None:
            # Its session may not have been adopted yet.
            raise RuntimeUnavailable(not_ready_reason)
        if record is None or record.session.phase.is_end:
            raise LaunchEnded
        record.heard(self._clock.monotonic())
        return record
