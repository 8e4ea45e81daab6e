"""The election of a leader: a controller waits for the Lease, takes it, and renews it until it is over."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, Final

from controller.core.errors import RuntimeUnavailable
from controller.core.leadership import Takeover, TakeoverCause
from controller.core.primitives.clock import Clock
from controller.core.primitives.flag import Flag
from controller.runtimes.kubernetes.client.collection import Collection
from controller.runtimes.kubernetes.client.errors import ApiError, ApiRefused
from controller.runtimes.kubernetes.client.watch import Gone, Listed, Seen, Watch
from controller.runtimes.kubernetes.leader.lease import (
    DURATION_SECONDS,
    NAME,
    Lease,
    Leases,
    NotHolder,
)
from controller.runtimes.kubernetes.leader.tenure import Tenure

log = logging.getLogger("podline.replicas")

RENEW_SECONDS: Final = 1.0
"""Between two renewals. The next one doesn't wait for a slow answer to the one before."""

_SPREAD_SECONDS: Final = 0.2
"""Standbys that see a Lease expire try to take it within this long, not all at the same moment."""

_LOOK_SECONDS: Final = 0.25
"""How late an expiry may be noticed."""

_AFTER_CONFLICT_SECONDS: Final = 0.25
_AFTER_FAILURE_SECONDS: Final = 1.0
_LONGEST_WATCH_PAUSE_SECONDS: Final = 1.0
_RELEASE_SECONDS: Final = 2.0
_NO_LEASE: Final = f"There is no Lease {NAME}: apply deploy/base, which it is part of."
_CONFLICT: Final = 409


class LeaseElection:
    """Implements `Leadership` by a Lease that all controllers of a namespace compete for."""

    is_sole = False

    def __init__(
        self,
        leases: Leases,
        tenure: Tenure,
        *,
        follow: Callable[[], Coroutine[Any, Any, None]],
        why_unfit: Callable[[], str | None],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """Send nothing yet.

        Args:
            leases: requests for the Lease.
            tenure: of this controller, which has not begun.
            follow: keeps this controller able to take over, for as long as it is awaited.
            why_unfit: returns why it could not serve sessions if it led; None if it could.
            clock: dates the Lease.
            rng: spreads the attempts of several controllers.
        """
        self._leases = leases
        self._tenure = tenure
        self._follow = follow
        self._why_unfit = why_unfit
        self._clock = clock
        self._rng = rng
        self._watch = Watch(
            Collection(leases.api, leases.collection, Lease, fields=f"metadata.name={NAME}"),
            rng,
            longest_pause_seconds=_LONGEST_WATCH_PAUSE_SECONDS,
        )
        self._seen: Lease | None = None
        self._seen_at: float | None = None
        self._is_known = False
        self._problem: str | None = None
        self._taking = asyncio.Lock()
        self._tried: TakeoverCause | None = None
        self._takeover: Takeover | None = None
        self._changed = Flag()
        self._is_lost = asyncio.Event()

    @property
    def is_leading(self) -> bool:
        return self._tenure.lasts

    @property
    def leader_address(self) -> str | None:
        if self.is_leading or self._seen is None or self._seen.holder == self._leases.identity:
            return None
        return self._seen.address

    @property
    def renewal_age(self) -> float | None:
        at = self._tenure.renewed_at if self.is_leading else self._seen_at
        return None if at is None else self._clock.monotonic() - at

    def problem(self) -> str | None:
        if self._is_known and self._seen is None:
            return _NO_LEASE
        return self._problem or self._watch.health.not_ready_reason

    def may_write(self) -> bool:
        return self._tenure.may_write()

    async def acquired(self) -> Takeover:
        while self._takeover is None:
            await self._changed.wait()
        return self._takeover

    async def changed(self) -> None:
        await self._changed.wait()

    async def run(self) -> None:
        async with self._leases.api, asyncio.TaskGroup() as tasks:
            under_way = [
                tasks.create_task(self._follow()),
                tasks.create_task(self._watch_lease()),
            ]
            await self._take_when_free()
            under_way.append(tasks.create_task(self._keep_renewing()))
            await self._is_lost.wait()
            for task in under_way:
                task.cancel()

    async def keep_draining(self, is_draining: bool) -> None:  # noqa: FBT001 - the one thing it keeps
        try:
            await self._leases.keep_draining(is_draining)
        except (ApiError, NotHolder) as error:
            raise RuntimeUnavailable(f"It could not be noted for the next leader. {error}") from error

    async def hand_over(self) -> None:
        self._tenure.has_ended = True
        self._changed.wake()
        if self._tried is None or self._is_lost.is_set():
            return
        try:
            # A request that takes the Lease may be under way.
            async with asyncio.timeout(_RELEASE_SECONDS), self._taking:
                await self._leases.release(self._clock.now())
        except NotHolder:
            log.info("lease not held")
        except (ApiError, TimeoutError) as error:
            log.warning("lease not released", extra={"error": str(error) or "no answer in time"})
        else:
            log.info("lease released")

    # --- waiting for the Lease ---

    async def _watch_lease(self) -> None:
        async with aclosing(self._watch.changes()) as changes:
            async for change in changes:
                match change:
                    case Seen(object=lease):
                        self._note(lease)
                    case Gone():
                        self._note(None)
                    case Listed():
                        self._is_known = True
                        self._changed.wake()

    def _note(self, lease: Lease | None) -> None:
        """Remember the Lease, and when it was last changed by our own clock: other clocks may be wrong."""
        version = lease.metadata.resource_version if lease is not None else None
        known = self._seen.metadata.resource_version if self._seen is not None else None
        if version != known:
            self._seen, self._seen_at = lease, self._clock.monotonic()
            self._problem = None
            self._changed.wake()

    async def _take_when_free(self) -> None:
        while self._takeover is None:
            cause = await self._until_free()
            try:
                async with self._taking:
                    await self._take(cause)
            except ApiError as error:
                pause = _AFTER_CONFLICT_SECONDS
                if not _is_conflict(error):
                    if self._is_news(error):
                        log.warning("lease not taken", extra={"error": str(error)})
                    pause = _AFTER_FAILURE_SECONDS
                await asyncio.sleep(self._rng.uniform(0, pause))
                await self._look()

    async def _until_free(self) -> TakeoverCause:
        """Wait until nobody holds the Lease and this controller could serve. Return why it is free."""
        while True:
            cause = self._why_free()
            if cause is TakeoverCause.EXPIRY:
                await asyncio.sleep(self._rng.uniform(0, _SPREAD_SECONDS))
                cause = self._why_free()
            if cause is not None:
                return cause
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()

    def _why_free(self) -> TakeoverCause | None:
        if self._tenure.has_ended or self._seen is None or self._why_unfit() is not None:
            return None
        age = self.renewal_age
        expired = TakeoverCause.EXPIRY if age is not None and age > DURATION_SECONDS else None
        if self._seen.holder == self._leases.identity:
            # Taken by a request whose answer was lost.
            return self._tried
        if self._seen.spec.renew_time is None:
            return TakeoverCause.START
        return TakeoverCause.HANDOVER if self._seen.holder is None else expired

    async def _take(self, cause: TakeoverCause) -> None:
        if self._tenure.has_ended or self._seen is None:
            return
        self._tried = cause
        sent = self._clock.monotonic()
        lease = await self._leases.take(self._seen, self._clock.now())
        self._seen = lease
        self._problem = None
        if self._tenure.has_ended:
            return
        self._tenure.renewed(sent)
        self._takeover = Takeover(cause=cause, is_draining=lease.is_draining)
        log.info("leading", extra={"cause": str(cause), "transitions": lease.spec.lease_transitions})
        self._changed.wake()

    async def _look(self) -> None:
        """Read the Lease, in case the watch has not shown its latest state."""
        try:
            self._note(await self._leases.find())
        except ApiError as error:
            if self._is_news(error):
                log.warning("lease not read", extra={"error": str(error)})

    def _is_news(self, error: ApiError) -> bool:
        """Remember what goes wrong. Return whether all went well before: it is tried again every second."""
        is_news = self._problem is None
        self._problem = str(error)
        return is_news

    # --- holding it ---

    async def _keep_renewing(self) -> None:
        """Renew the Lease until it is lost or handed over."""
        async with asyncio.TaskGroup() as renewals:
            while self.is_leading:
                renewals.create_task(self._renew())
                await asyncio.sleep(RENEW_SECONDS)

    async def _renew(self) -> None:
        sent = self._clock.monotonic()
        try:
            await self._leases.renew(self._clock.now())
        except NotHolder as error:
            if self.is_leading:
                log.warning("lead lost", extra={"error": str(error)})
                self._tenure.has_ended = True
                self._is_lost.set()
                self._changed.wake()
        except ApiError as error:
            if self.is_leading and self._is_news(error):
                log.warning("lease not renewed", extra={"error": str(error)})
        else:
            if self._tenure.renewed(sent):
                if self._problem is not None:
                    log.info("lease renewed again")
                self._problem = None
                self._changed.wake()


def _is_conflict(error: ApiError) -> bool:
    return isinstance(error, ApiRefused) and error.status == _CONFLICT
