"""A replica over a fake election, a fake runtime and a fake link to the leader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from controller.composition import compose
from controller.core.leadership import Leadership, SoleController
from controller.core.primitives.clock import Clock, system_clock
from controller.observe.replica_metrics import ReplicaMetrics
from controller.replicas.replica import Replica
from controller.supervision.supervisor import Supervisor
from controller.web.services import Services
from testing.fakes.controllers.leadership import FakeLeadership
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, FakeRuntime
from testing.settings import settings_of

OTHER = "10.0.0.5:7862"
ANOTHER = "10.0.0.6:7862"
AN_HOUR = 3600.0
_LOOK_SECONDS = 0.05


class FakeLink:
    """Reaches the addresses it is told to.

    Attributes:
        reached: those that answer.
        broken_off: those whose requests were ended.
        has_ended_long_ones: polls and streams were ended.
        failure: what checking raises.
        told: the lines of an answer that goes on.
        read: those whose lines were read.
    """

    def __init__(self) -> None:
        self.reached = {OTHER, ANOTHER}
        self.broken_off: list[str] = []
        self.has_ended_long_ones = False
        self.failure: Exception | None = None
        self.told: list[bytes] = []
        self.read: list[str] = []

    async def reaches(self, address: str) -> bool:
        if self.failure is not None:
            raise self.failure
        return address in self.reached

    async def lines(self, address: str, path: str) -> AsyncGenerator[bytes, None]:  # noqa: ARG002
        self.read.append(address)
        for line in self.told:
            yield line
        await asyncio.get_running_loop().create_future()

    def break_off(self, address: str) -> None:
        self.broken_off.append(address)

    def end_long_ones(self) -> None:
        self.has_ended_long_ones = True


@dataclass
class Stand:
    """A replica that runs, and the fakes around it; `unfit` says why it could not take over."""

    replica: Replica
    supervisor: Supervisor
    leadership: FakeLeadership
    runtime: FakeRuntime
    rooms: FakeRooms
    link: FakeLink
    registry: CollectorRegistry
    running: asyncio.Task[None] | None = None
    unfit: list[str] = field(default_factory=list)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; looks now and then, as probes do."""
        async with asyncio.timeout(AN_HOUR):
            while not holds():
                if self.running is not None and self.running.done():
                    self.running.result()
                await asyncio.sleep(_LOOK_SECONDS)  # seen from outside only

    async def leads(self) -> None:
        self.leadership.leads()
        await self.until(lambda: self.replica.serves)

    async def follows(self) -> None:
        self.leadership.follows(OTHER)
        await self.until(self.replica.reaches_leader)

    def counted(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def passing_clock() -> Clock:
    """Durations as the event loop has them."""
    return Clock(now=system_clock().now, monotonic=asyncio.get_running_loop().time)


@asynccontextmanager
async def standing(*, is_sole: bool = False) -> AsyncIterator[Stand]:
    """Run a replica until the end of the block, whatever becomes of it."""
    leadership, runtime, rooms = FakeLeadership(), FakeRuntime(), FakeRooms()
    link, clock = FakeLink(), passing_clock()
    runtime.outlives_us = not is_sole
    registry = CollectorRegistry()
    chosen: Leadership = SoleController() if is_sole else leadership
    app = compose(settings_of(), fake_parts(leadership=chosen, runtime=runtime, rooms=rooms, clock=clock))
    services: Services = app.state.services
    unfit: list[str] = []
    replica = Replica(
        supervisor=services.supervisor,
        leadership=chosen,
        why_unfit=lambda: unfit[0] if unfit else None,
        link=link,
        usage=services.replica.usage,
        metrics=ReplicaMetrics(registry),
        clock=clock,
    )
    stand = Stand(replica, services.supervisor, leadership, runtime, rooms, link, registry, unfit=unfit)
    stand.running = asyncio.create_task(replica.run())
    await asyncio.wait(
        [stand.running, starting := asyncio.create_task(replica.started.wait())],
        return_when=asyncio.FIRST_COMPLETED,
    )
    starting.cancel()
    try:
        yield stand
    finally:
        stand.running.cancel()
        with suppress(asyncio.CancelledError, ExceptionGroup):
            await stand.running
