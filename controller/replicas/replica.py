"""One replica of the controller: it stands by until it leads, and then runs the supervisor."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from controller.core.leadership import Leadership, Takeover
from controller.core.primitives.clock import Clock
from controller.core.primitives.flag import Flag
from controller.observe.replica_metrics import ReplicaMetrics
from controller.replicas.usage_copy import UsageCopy
from controller.supervision.supervisor import Supervisor

log = logging.getLogger("podline.replicas")

CHECK_SECONDS: Final = 1.0
"""Between two checks of whether a standby reaches the leader."""

LEADERLESS_SECONDS: Final = 10.0
"""How long a standby stays ready while nobody leads: it holds requests, and may soon lead itself."""

SETTLE_SECONDS: Final = 5.0
"""How long requests wait for a leader that has just taken over to know all sessions."""

_STOP_SECONDS: Final = 1.0
"""How long a leader that hands over waits for its supervisor, which writes nothing any more after that."""

LINGER_SECONDS: Final = 5.0
"""How long a replica that was told to end passes requests on: nodes learn some time later that the Service
leads to it no longer."""

_NEXT_LEADER_SECONDS: Final = 3.0
_HELD_SECONDS: Final = 2.0
"""How long requests that were held may take once there is a next leader."""

_LOOK_SECONDS: Final = 0.02
_STALL_SECONDS: Final = 5.0
"""A leader that can't write for longer than this misses reports, which is not its bots' fault."""

_UNREACHED: Final = "This standby can't reach the leader at {}."
_LEADERLESS: Final = "No controller has led for {:.0f} seconds."
_NEVER_LED: Final = "No controller that leads has been seen yet."


class LeaderLink(Protocol):
    """Connections to the replica that leads."""

    async def reaches(self, address: str) -> bool:
        """Return whether a controller answers at this address, such as `10.0.0.5:7862`."""

    def break_off(self, address: str) -> None:
        """End all requests under way to a controller."""

    def end_long_ones(self) -> None:
        """End the polls and streams under way, also those to a controller that leads no longer."""


class Replica:
    """Runs the supervisor while it leads. Await `run` for as long as requests are served.

    Attributes:
        metrics: of take-overs.
        usage: what the leader's sessions have used, while this replica is not the one.
        was_replaced: another replica leads instead of this one, which is of no use any more.
        has_left: this process is about to end, and what is broken off now is not tried again.
        started: set once requests can be taken, to be served here or passed on.
    """

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        leadership: Leadership,
        why_unfit: Callable[[], str | None],
        link: LeaderLink,
        usage: UsageCopy,
        metrics: ReplicaMetrics,
        clock: Clock,
    ) -> None:
        """Prepare.

        Args:
            supervisor: of all sessions.
            leadership: decides when it runs.
            why_unfit: returns why a standby could not take over right now; None if it could.
            link: to the leader, while this replica is not the one.
            usage: what the leader's sessions have used, while this replica is not the one.
            metrics: of take-overs.
            clock: measures them.
        """
        self.was_replaced = self.has_left = False
        self.started = asyncio.Event()
        self._supervisor = supervisor
        self._leadership = leadership
        self._why_unfit = why_unfit
        self._link = link
        self.usage = usage
        self.metrics = metrics
        self._clock = clock
        self._supervising: asyncio.Task[None] | None = None
        self._has_settled = False
        self._is_over = False
        self._is_leaving = False
        self._has_seen_leader = False
        self._leaderless_since: float | None = None
        self._unreached: str | None = None
        self._changed = Flag()

    # --- what others ask ---

    def leads(self) -> bool:
        """Return whether this replica leads, though it may be unable to write right now."""
        return self._leadership.is_leading and not self._is_over

    @property
    def is_sole(self) -> bool:
        """Whether there are no other replicas."""
        return self._leadership.is_sole

    @property
    def serves(self) -> bool:
        """Whether requests are served here right now."""
        # The only controller has nobody to pass requests on to, and its bots report until they have left.
        is_leaving = self._is_leaving and not self._leadership.is_sole
        return not is_leaving and self._leadership.may_write() and self._has_settled

    @property
    def is_leaving(self) -> bool:
        """Whether this replica serves no more requests, and at most passes on those that reach it."""
        return self._is_leaving

    @property
    def leader_address(self) -> str | None:
        """Return where the leader is reached, as host:port; None if it is this replica or unknown."""
        return self._leadership.leader_address

    def is_alive(self) -> bool:
        """Return whether this process is of use; only a restart helps once it is not."""
        if self._is_over:
            return False
        return not self._supervisor.started.is_set() or self._is_leaving or self._supervisor.is_alive()

    def reaches_leader(self) -> bool:
        is_reached = self._unreached is None and self._leaderless_since is None
        return self.leads() or (self._has_seen_leader and is_reached)

    def not_ready_reason(self) -> str | None:
        """Return why no session can be started by way of this replica, as a sentence; None if one can."""
        if not self.is_alive():
            return "The controller has failed and must be restarted."
        if self._is_leaving:
            return "The controller is shutting down."
        if self._leadership.is_leading:
            if not self._leadership.may_write():
                return "This controller leads, but can't renew its Lease at the API server."
            return self._supervisor.not_ready_reason()
        return self._why_unfit() or self._why_nobody_is_reached()

    def _why_nobody_is_reached(self) -> str | None:
        if self._unreached is not None:
            return _UNREACHED.format(self._unreached)
        since = self._leaderless_since
        seconds = 0.0 if since is None else self._clock.monotonic() - since
        if self._has_seen_leader and seconds <= LEADERLESS_SECONDS:
            return None
        # One that has never seen a leader may lack the rights to: it must not replace one that serves.
        sentence = _LEADERLESS.format(seconds) if self._has_seen_leader else _NEVER_LED
        return f"{sentence} {self._leadership.problem() or ''}".rstrip()

    async def changed(self) -> None:
        """Wait until leadership has changed, or requests are served here."""
        await self._changed.wait()

    async def drain(self, is_draining: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Have sessions started no more, here and by the next leader, or have them started again.

        Raises:
            RuntimeUnavailable: the next leader would not know of it. Nothing has changed.
        """
        await self._leadership.keep_draining(is_draining)
        self._supervisor.is_draining = is_draining

    # --- running ---

    async def run(self) -> None:
        """Take part in the election, and run the supervisor while this replica leads."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take_part())
                tasks.create_task(self._keep_checking())
                tasks.create_task(self._announce_changes())
                tasks.create_task(self.usage.follow())
                if not self._leadership.is_leading:
                    self.started.set()
                takeover = await self._leadership.acquired()
                if not self._is_leaving:
                    self._supervising = tasks.create_task(self._supervisor.run())
                    await self._lead(takeover)
        finally:
            self._is_over = True

    async def _lead(self, takeover: Takeover) -> None:
        began = self._clock.monotonic()
        self._supervisor.is_draining = takeover.is_draining
        self.metrics.took_over(takeover.cause)
        await self._supervisor.started.wait()
        await self._settle(began)
        await self._watch_for_stalls()

    async def _announce_changes(self) -> None:
        while True:
            await self._leadership.changed()
            self._changed.wake()

    async def _take_part(self) -> None:
        await self._leadership.run()
        self.was_replaced = self.has_left = self._is_over = True
        if self._supervising is not None:
            self._supervising.cancel()

    async def _settle(self, began: float) -> None:
        """Serve requests once all sessions are known. What keeps them from being known is shown soon."""
        if not self._leadership.is_sole:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    while not self._supervisor.can_launch():  # noqa: ASYNC110 - many parts decide it
                        await asyncio.sleep(_LOOK_SECONDS)
        self._has_settled = True
        self._changed.wake()
        self.started.set()
        self.metrics.served_after(self._clock.monotonic() - began)

    async def _watch_for_stalls(self) -> None:
        """Excuse the silence of bots that can't report while this leader can't renew its Lease."""
        wrote_at = checked_at = self._clock.monotonic()
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            now = self._clock.monotonic()
            if self._leadership.may_write():
                wrote_at = now
            elif now - wrote_at > _STALL_SECONDS:
                # While it lasts: its watchdog would give them up before it can write again.
                self._supervisor.excuse_silence(now - checked_at)
            checked_at = now

    async def _keep_checking(self) -> None:
        """Keep track of whether the leader is reached, and of those who lead no longer."""
        former: str | None = None
        while True:
            address = self._leadership.leader_address
            is_replaced = address is not None or self._leadership.is_leading
            if former is not None and address != former and is_replaced:
                # One that hands over is none of these: it answers what it has begun.
                self._link.break_off(former)
            former = address
            await self._check(address)
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._leadership.changed()

    async def _check(self, address: str | None) -> None:
        if address is None:
            if self._leaderless_since is None:
                self._leaderless_since = self._clock.monotonic()
            self._unreached = None
            return
        self._has_seen_leader = True
        self._leaderless_since = None
        is_reached = await self._link.reaches(address)
        if not is_reached and self._unreached is None:
            log.warning("leader not reached", extra={"leader": address})
        self._unreached = None if is_reached else address

    # --- leaving ---

    async def close(self) -> None:
        """Accept no more sessions here, and let another replica take over if this one leads.

        Whether it has led or stood by, the Service still leads to it for a while. Requests that arrive
        meanwhile are passed on to the leader. Harmless when repeated.
        """
        if self._is_leaving:
            return
        self._is_leaving = True
        until = asyncio.get_running_loop().time() + LINGER_SECONDS
        await self._supervisor.close()
        # Without waiting for rooms to be closed, which their provider may take its time for.
        await self._leadership.hand_over()
        await self._supervisor.finish()
        if self._leadership.is_sole:
            return
        if self._supervising is not None:
            self._supervising.cancel()
            await asyncio.wait([self._supervising], timeout=_STOP_SECONDS)
        await self._linger(until)
        self.has_left = True
        self._link.end_long_ones()
        self._changed.wake()

    async def _linger(self, until: float) -> None:
        """Pass requests on until this time of the event loop, and until a next leader has those that wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NEXT_LEADER_SECONDS):
                while self._leadership.leader_address is None:
                    await self._leadership.changed()
        remaining = until - asyncio.get_running_loop().time()
        await asyncio.sleep(max(remaining, _HELD_SECONDS))
