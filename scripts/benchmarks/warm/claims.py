"""Claims of warm bots on a real API server: how many a second, how long each takes, and what it writes.

The runtime is this process's own, so that nobody else's requests count. Jobs and pods are real objects; the
pods run nowhere, and nobody polls.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

import msgspec

from controller.core.agents import BUILT_IN
from controller.core.errors import ControllerError
from controller.core.primitives.clock import system_clock
from controller.core.runtime import Launch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from scripts.benchmarks.calls.programs import processor_seconds
from scripts.benchmarks.cluster import loading, made
from scripts.benchmarks.cluster.cores import apart
from scripts.benchmarks.cluster.raw import ApiAccess, Raw
from scripts.benchmarks.cluster.site import MeasuredCluster
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.warm.agents import WARM
from scripts.benchmarks.warm.api_writes import COUNTED, begin_counting, note, writes_at_server
from testing.processes import eventually

POOL: Final = "warm bots in a cluster's pool"
LISTED: Final = "sessions in the same namespace"
CLAIMED: Final = "claims that took the bot"
WRITES: Final = "a claim's writes before it returns"

RUNTIME: Final = "runtime"

_SHARES: Final[Mapping[int, float]] = {1: 0.1, 16: 0.3, 64: 0.3}
"""Of the pool that is claimed with so many under way at any time. The rest is claimed at one moment."""

_LAUNCHES_AT_ONCE: Final = 16
_SETTLED_SECONDS: Final = 1.0
"""For the last changes to be seen, and for what is written after claims."""
_READY_SECONDS: Final = 120.0


@dataclass(frozen=True)
class ClaimSizes:
    """How much is claimed, unless the command says otherwise.

    Attributes:
        pool: Warm bots.
        listed: Sessions that are there besides.
        turns: In how many parts claims are made with as many under way.
    """

    pool: int
    listed: int
    turns: int


FULL: Final = ClaimSizes(pool=1000, listed=10_000, turns=3)
SMALL: Final = ClaimSizes(pool=20, listed=4, turns=1)


def how(at_once: int | None) -> str:
    """Say how many claims were under way; None if all began at one moment."""
    if at_once is None:
        return "all at one moment"
    return "one at a time" if at_once == 1 else f"{at_once} at one time"


def latency_name(at_once: int | None) -> str:
    return f"a claim, {how(at_once)}"


def rate_name(at_once: int | None) -> str:
    return f"claims, {how(at_once)}"


def server_name(resource: str) -> str:
    return f"writes that the API server counts for each claim: {resource}"


def cost_name(part: str) -> str:
    return f"processor time of a claim: {part}"


PARTS: Final = {RUNTIME: "the runtime", "kube-apiserver": "API server", "etcd": "etcd"}
"""Whose processor time is counted, the labels included that the pods get after the claims."""

WAYS: Final[tuple[int | None, ...]] = (*_SHARES, None)


@dataclass(frozen=True)
class MeasuredClaim:
    """One claim: how long it took, how many writes it made until it returned, and whether it took the bot."""

    seconds: float
    writes: int
    is_claimed: bool


@dataclass
class FollowedRuntime:
    """A runtime that watches, and the launches whose pods it has seen.

    Attributes:
        seen: launch ids.
    """

    runtime: KubernetesRuntime
    seen: set[str] = field(default_factory=set)

    async def follow(self) -> None:
        async for observation in self.runtime.watch():
            if observation.scheduled is not None:
                self.seen.add(observation.launch_id)

    async def is_ready(self) -> bool:
        return self.runtime.not_ready_reason() is None


async def measure_on(run: BenchRun, cluster: MeasuredCluster) -> None:
    """Measure on a control plane whose controller-manager, scheduler and nodes rest."""
    usual = SMALL if run.is_small else FULL
    pool, listed = run.options.get("pool", usual.pool), run.options.get("listed", usual.listed)
    access = await cluster.namespace("claims")
    await loading.fill(replace(run, count=listed), access)
    async with _following(cluster, access) as followed, Raw(access) as raw:
        launch_ids = await _fill_pool(run, followed, raw, pool)
        run.results.sample(POOL, WARM, pool)
        run.results.sample(LISTED, WARM, listed)
        with apart(list(cluster.pids.values())):
            await _measure_claims(run, cluster, followed.runtime, raw, launch_ids, usual.turns)


async def _measure_claims(
    run: BenchRun,
    cluster: MeasuredCluster,
    runtime: KubernetesRuntime,
    raw: Raw,
    launch_ids: list[str],
    turns: int,
) -> None:
    launches = [made.claim_of(await made.new_launch(), each) for each in launch_ids]
    pool, left = len(launches), iter(launches)
    pids = {RUNTIME: os.getpid(), **cluster.pids}
    before = await writes_at_server(raw)
    spent = {part: processor_seconds(pid) for part, pid in pids.items()}
    for at_once, share in _SHARES.items():
        run.progress.doing(f"claims, {how(at_once)}")
        for _ in range(turns):
            await _claim_some(run, runtime, left, at_once, max(1, int(pool * share / turns)))
    rest = list(left)
    run.progress.doing(f"{len(rest)} claims at one moment")
    await _claim_some(run, runtime, iter(rest), None, len(rest))
    await asyncio.sleep(_SETTLED_SECONDS)
    for part, pid in pids.items():
        run.results.sample(cost_name(PARTS[part]), WARM, (processor_seconds(pid) - spent[part]) / pool)
    after = await writes_at_server(raw)
    for resource in COUNTED:
        run.results.sample(server_name(resource), WARM, (after[resource] - before[resource]) / pool)


async def _claim_some(
    run: BenchRun, runtime: KubernetesRuntime, launches: Iterator[Launch], at_once: int | None, count: int
) -> None:
    """Claim so many. Nothing is written to the results before all claims have returned."""
    chosen = iter(list(islice(launches, count)))
    claims: list[MeasuredClaim] = []

    async def work() -> None:
        claims.extend([await _claim(runtime, launch) for launch in chosen])

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once or count)))
    run.results.sample(rate_name(at_once), WARM, len(claims) / (time.monotonic() - began))
    for claim in claims:
        run.results.sample(latency_name(at_once), WARM, claim.seconds)
        run.results.sample(WRITES, WARM, claim.writes)
        run.results.sample(CLAIMED, WARM, float(claim.is_claimed))


async def _claim(runtime: KubernetesRuntime, launch: Launch) -> MeasuredClaim:
    """Make one claim."""
    writes = begin_counting()
    began = time.monotonic()
    is_claimed = False
    with suppress(ControllerError):
        await runtime.claim(launch)
        is_claimed = True
    # The runtime labels the pod later, in a task that counts into the same list.
    return MeasuredClaim(time.monotonic() - began, len(writes), is_claimed)


async def _fill_pool(run: BenchRun, followed: FollowedRuntime, raw: Raw, pool: int) -> list[str]:
    """Launch warm bots, and return their launch ids once the runtime has seen the pod of each."""
    run.progress.doing(f"launching {pool} warm bots")
    left = iter(range(pool))
    launch_ids: list[str] = []

    async def work() -> None:
        for _ in left:
            launch = made.new_warm_launch()
            await followed.runtime.launch_warm(launch)
            name = names.warm_job_name(BUILT_IN.name, launch.bot.launch_id)
            job: dict[str, Any] = msgspec.json.decode(await raw.send("GET", f"{raw.access.jobs}/{name}"))
            await loading.give_pod(raw, job, has_ended=False)
            launch_ids.append(launch.bot.launch_id)

    await asyncio.gather(*(work() for _ in range(_LAUNCHES_AT_ONCE)))

    async def are_seen() -> bool:
        return followed.seen.issuperset(launch_ids)

    await eventually(are_seen, "the pods of all warm bots", within=_READY_SECONDS)
    await asyncio.sleep(_SETTLED_SECONDS)
    return launch_ids


@asynccontextmanager
async def _following(cluster: MeasuredCluster, access: ApiAccess) -> AsyncIterator[FollowedRuntime]:
    """A runtime over the namespace, once it has found what is there."""
    runtime = KubernetesRuntime(
        api=Api(Access(str(cluster.plane.kubeconfig)), note),
        namespace=access.namespace,
        template=made.template_for(access.namespace),
        grace_seconds=made.GRACE_SECONDS,
        keep_ended_seconds=made.KEEP_ENDED_SECONDS,
        clock=system_clock(),
        rng=random.Random(1),  # noqa: S311 - spreads pauses
    )
    followed = FollowedRuntime(runtime)
    following = asyncio.create_task(followed.follow())
    try:
        await eventually(followed.is_ready, "the runtime", within=_READY_SECONDS)
        yield followed
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
