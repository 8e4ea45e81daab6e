"""The claim: a start that finds a warm bot gives it the session, and never to two bots."""

from __future__ import annotations

import logging
from enum import Enum, auto
from typing import Final

from controller.core.errors import ControllerError, NotClaimed, UnknownOutcome
from controller.core.primitives.clock import Clock
from controller.core.runtime import Launch, Runtime
from controller.core.tracing import Tracing
from controller.observe.warm_metrics import ClaimResult, WarmMetrics
from controller.supervision.assignment import Assigner, assignment_of
from controller.supervision.channel.inbox import Inbox
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from controller.supervision.warm.bots import HeldBot
from controller.supervision.warm.pool import WarmPool
from podline.contract.encoding import encode
from podline.contract.messages import MAX_ASSIGNMENT_BYTES

log = logging.getLogger("podline.pool")

CONFIRM_SECONDS: Final = 0.25
"""How long a bot has to confirm its session. It holds a request open, so this is one way there and one back:
a few milliseconds. A bot that takes longer is frozen, starved of CPU or cut off, and no better in a call; and
a caller waits for this long before the next attempt."""

MOST_BOTS: Final = 3
"""How many bots one start tries: beyond that the cause is not in the bots, and a cold start is sooner."""


class Claimed(Enum):
    """What came of the claim of a start."""

    YES = auto()
    NO = auto()
    """No warm bot has the session, and none will: it needs a bot of its own."""
    STOPPED = auto()
    """Likewise, and the session needs none any more."""


class Claimer:
    """Gives sessions that are being started to warm bots."""

    def __init__(
        self,
        *,
        pool: WarmPool,
        runtime: Runtime,
        registry: SessionRegistry,
        assigner: Assigner,
        metrics: WarmMetrics,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._runtime = runtime
        self._registry = registry
        self._assigner = assigner
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock

    async def claim(self, record: Record, launch: Launch) -> Claimed:
        """Have a warm bot take this launch, if there is one.

        One bot after the other: the next is tried only once it is certain that the former never serves the
        session.

        Raises:
            UnknownOutcome: the session may have a bot, which is that of its launch id now.
        """
        version, agent = launch.agent, launch.session.agent
        if not self._pool.serves(version) or launch.secrets is None:
            return Claimed.NO
        if len(encode(assignment_of(launch))) > MAX_ASSIGNMENT_BYTES:
            return Claimed.NO
        for _ in range(MOST_BOTS):
            if record.intent is not None:
                return Claimed.STOPPED
            if (held := self._pool.take(version)) is None:
                self._metrics.claim_ended(agent, ClaimResult.NO_BOT)
                break
            taken_at = self._clock.monotonic()
            try:
                result = await self._try(record, launch, held)
            except Exception:
                self._pool.launches.retire(held)
                raise
            self._metrics.claim_ended(agent, result)
            if result is ClaimResult.CLAIMED:
                if held.ready_at is not None:
                    self._metrics.waited(launch.session, taken_at - held.ready_at)
                return Claimed.YES
            extra = {"session_id": record.session.id, "launch_id": held.launch_id, "result": str(result)}
            log.warning("warm bot not claimed", extra=extra)
            await self._end(record, held, result)
        return Claimed.STOPPED if record.intent is not None else Claimed.NO

    async def settle(self, record: Record, launch: Launch) -> None:
        """Make certain that the bot of a claim of unknown outcome never serves the session.

        The session's launch is its own again, unless that fails.

        Raises:
            UnknownOutcome: it is still not certain.
        """
        doubtful = record.session.launch_id
        # Before it is ended: its end must not be taken for the session's.
        self._registry.bot_chosen(record, launch.session.launch_id, cold_start=None)
        record.handed_over(self._clock.monotonic())
        try:
            await self._runtime.give_up(doubtful)
        except UnknownOutcome:
            if doubtful in self._pool.bots:
                self._registry.bot_chosen(record, doubtful, cold_start=False)
                raise

    async def _try(self, record: Record, launch: Launch, held: HeldBot) -> ClaimResult:
        """Claim one bot and have it confirm. Whatever comes of it but `CLAIMED`, the bot must be ended."""
        with self._tracing.step("claim bot", continues=launch.session.trace):
            own = self._assigner.for_warm_bot(launch, held.launch_id).continuing(self._tracing.context())
            record.handed_over(self._clock.monotonic())
            try:
                await self._runtime.claim(own)
            except NotClaimed:
                return ClaimResult.NOT_CLAIMED
            except ControllerError:
                return ClaimResult.UNKNOWN

            def confirm() -> Inbox | None:
                if record.intent is not None or record.session.phase.is_end:
                    return None
                self._registry.bot_chosen(record, held.launch_id, cold_start=False)
                return record.inbox

            is_confirmed = await self._pool.bots.assign(
                held, record.session.id, assignment_of(own), confirm, CONFIRM_SECONDS
            )
        if is_confirmed:
            self._pool.claimed(held.bot.agent)
            return ClaimResult.CLAIMED
        return ClaimResult.STOPPED if record.intent is not None else ClaimResult.NOT_CONFIRMED

    async def _end(self, record: Record, held: HeldBot, result: ClaimResult) -> None:
        """End a bot whose claim came to nothing, before anything else is tried."""
        if result is ClaimResult.NOT_CLAIMED:
            # It is certain already.
            self._pool.launches.retire(held)
            return
        try:
            await self._pool.launches.give_up(held)
        except UnknownOutcome:
            # One that was seen to be gone serves no session either.
            if held.launch_id in self._pool.bots:
                self._registry.bot_chosen(record, held.launch_id, cold_start=False)
                raise
