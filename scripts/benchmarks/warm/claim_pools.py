"""Pools of warm bots in a cluster, each with what claims its bots: our runtime, or a client of patches only.

Jobs and pods are real objects; the pods run nowhere, and nobody polls.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec

from controller.core.agents import BUILT_IN
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.objects import Job
from controller.runtimes.kubernetes.job.warm_manifests import claim_patch
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from scripts.benchmarks.cluster import loading, made
from scripts.benchmarks.cluster.raw import MERGE_PATCH, ApiAccess, Raw
from scripts.benchmarks.cluster.site import MeasuredCluster
from scripts.benchmarks.warm.api_writes import note
from testing.processes import eventually

ClaimOne = Callable[[], Awaitable[object]]
"""Claims one certain bot for one certain session."""

CONNECTIONS: Final = 100
"""The most that either opens to the API server."""

_SETTLED_SECONDS: Final = 1.0
"""For the last changes to be seen."""

_LAUNCHES_AT_ONCE: Final = 16
_READY_SECONDS: Final = 120.0


@dataclass(frozen=True)
class ClaimPool:
    """Claims that can be made.

    Attributes:
        claims: each is made once.
        read: makes a request that reads a little, over the same connections.
    """

    claims: Iterator[ClaimOne]
    read: Callable[[], Awaitable[object]]

    async def open_connections(self, at_once: int) -> None:
        """Open as many connections as there will be requests at one time, as in a controller that is busy."""
        await asyncio.gather(*(self.read() for _ in range(min(at_once, CONNECTIONS))))


@dataclass
class FollowedRuntime:
    """A runtime that watches, and the launches whose pods it has seen.

    Attributes:
        api: its connection.
        seen: launch ids.
    """

    runtime: KubernetesRuntime
    api: Api
    seen: set[str] = field(default_factory=set)

    async def follow(self) -> None:
        async for observation in self.runtime.watch():
            if observation.scheduled is not None:
                self.seen.add(observation.launch_id)

    async def is_ready(self) -> bool:
        return self.runtime.not_ready_reason() is None


@asynccontextmanager
async def following(cluster: MeasuredCluster, access: ApiAccess) -> AsyncIterator[FollowedRuntime]:
    """A runtime over the namespace, once it has found what is there."""
    api = Api(Access(str(cluster.plane.kubeconfig)), note)
    runtime = KubernetesRuntime(
        api=api,
        namespace=access.namespace,
        template=made.template_for(access.namespace),
        grace_seconds=made.GRACE_SECONDS,
        keep_ended_seconds=made.KEEP_ENDED_SECONDS,
        clock=system_clock(),
        rng=random.Random(1),  # noqa: S311 - spreads pauses
    )
    followed = FollowedRuntime(runtime, api)
    watching = asyncio.create_task(followed.follow())
    try:
        await eventually(followed.is_ready, "the runtime", within=_READY_SECONDS)
        yield followed
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def pool_of_runtime(followed: FollowedRuntime, raw: Raw, pool: int) -> ClaimPool:
    """Launch warm bots, and return their claims once the runtime has seen the pod of each."""
    launch_ids: list[str] = []

    async def launch_one() -> None:
        launch = made.new_warm_launch()
        await followed.runtime.launch_warm(launch)
        name = names.warm_job_name(BUILT_IN.name, launch.bot.launch_id)
        await loading.give_pod(raw, await _read(raw, name), has_ended=False)
        launch_ids.append(launch.bot.launch_id)

    async def are_seen() -> bool:
        return followed.seen.issuperset(launch_ids)

    await _repeat(launch_one, pool)
    await eventually(are_seen, "the pods of all warm bots", within=_READY_SECONDS)
    await asyncio.sleep(_SETTLED_SECONDS)
    claims = [made.claim_of(await made.new_launch(), each) for each in launch_ids]
    return ClaimPool(
        iter([partial(followed.runtime.claim, each) for each in claims]),
        partial(followed.api.request, "GET", raw.access.core),
    )


async def pool_of_client(raw: Raw, pool: int) -> ClaimPool:
    """Write the Jobs and pods of warm bots, and return their claims: the same patch, made beforehand."""
    claims: list[ClaimOne] = []

    async def write_one() -> None:
        launch = made.new_warm_launch()
        manifest = made.warm_job_of(launch, raw.access.namespace)
        job = msgspec.json.decode(await raw.send("POST", raw.access.jobs, manifest))
        await loading.give_pod(raw, job, has_ended=False)
        name = manifest["metadata"]["name"]
        seen = msgspec.convert(await _read(raw, name), Job)
        claim = made.claim_of(await made.new_launch(), launch.bot.launch_id)
        patch = claim_patch(seen, claim, datetime.now(UTC))
        patch["metadata"]["resourceVersion"] = seen.metadata.resource_version
        body = msgspec.json.encode(patch)
        claims.append(partial(raw.send, "PATCH", f"{raw.access.jobs}/{name}", body, MERGE_PATCH))

    await _repeat(write_one, pool)
    return ClaimPool(iter(claims), partial(raw.send, "GET", raw.access.core))


async def _repeat(make: Callable[[], Awaitable[None]], count: int) -> None:
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await make()

    await asyncio.gather(*(work() for _ in range(_LAUNCHES_AT_ONCE)))


async def _read(raw: Raw, name: str) -> dict[str, Any]:
    job: dict[str, Any] = msgspec.json.decode(await raw.send("GET", f"{raw.access.jobs}/{name}"))
    return job
