"""Controllers that compete for the Lease of one fake API server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from controller.core.leadership import Takeover
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.leader.election import LeaseElection
from controller.runtimes.kubernetes.leader.lease import NAME, Leases
from controller.runtimes.kubernetes.leader.tenure import Tenure
from testing.fakes.kubernetes.api_objects import Thing
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from tests.unit.controller.runtimes.kubernetes.serving import AN_HOUR, access_to, passing_clock

ALWAYS: Final = 10**6
LONG_AGO: Final = "2000-01-01T00:00:00.000000Z"
FAR_AHEAD: Final = "2100-01-01T00:00:00.000000Z"
_LOOK_SECONDS: Final = 0.1


class Candidate:
    """One controller; `unfit` says why it could not serve sessions."""

    def __init__(self, access: Access, name: str) -> None:
        clock = passing_clock()
        self.name = name
        self.unfit: str | None = None
        self.now = clock.monotonic
        self.tenure = Tenure(clock.monotonic)
        self.is_following = False
        self.election = LeaseElection(
            Leases(api=Api(access), namespace="podline", identity=name, address=f"{name}:7862"),
            self.tenure,
            follow=self._follow,
            why_unfit=lambda: self.unfit,
            clock=clock,
            rng=random.Random(name),  # noqa: S311 - the same each time
        )
        self.running: asyncio.Task[None] | None = None

    async def _follow(self) -> None:
        self.is_following = True
        await asyncio.get_running_loop().create_future()

    @property
    def leads(self) -> bool:
        return self.election.is_leading

    async def acquired(self) -> Takeover:
        async with asyncio.timeout(AN_HOUR):
            return await self.election.acquired()

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds; looks at each change, and now and then for what is none."""
        async with asyncio.timeout(AN_HOUR):
            while not holds():
                if self.running is not None and self.running.done():
                    self.running.result()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self.election.changed()

    async def end(self) -> None:
        """Die without a word."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.wait([self.running])


@asynccontextmanager
async def standing(server: ApiServer, name: str, unfit: str | None = None) -> AsyncIterator[Candidate]:
    """Let a controller take part until the end of the block."""
    with access_to(server) as access:
        candidate = Candidate(access, name)
        candidate.unfit = unfit
        candidate.running = asyncio.create_task(candidate.election.run())
        try:
            yield candidate
        finally:
            await candidate.end()


@asynccontextmanager
async def leading(server: ApiServer, name: str = "one") -> AsyncIterator[Candidate]:
    """Let a controller take part, which leads by now."""
    async with standing(server, name) as candidate:
        await candidate.acquired()
        yield candidate


@asynccontextmanager
async def serve_lease() -> AsyncIterator[ApiServer]:
    """Serve an API server with the Lease as deploy/base has it."""
    async with serve_api() as server:
        server.objects.create("leases", "podline", {"metadata": {"name": NAME}})
        yield server


def lease_of(server: ApiServer) -> Thing | None:
    return server.objects.find("leases", "podline", NAME)


def holder(server: ApiServer) -> str | None:
    """Return who holds the Lease; None if there is none."""
    lease = lease_of(server)
    return None if lease is None else lease.get("spec", {}).get("holderIdentity")


def hold_lease(server: ApiServer, holder: str, renewed: str) -> None:
    """Let another controller hold it, which has written this date."""
    change_lease(server, holderIdentity=holder, renewTime=renewed, leaseTransitions=7)


def change_lease(server: ApiServer, **spec: Any) -> None:
    server.objects.patch("leases", "podline", NAME, {"spec": spec})
