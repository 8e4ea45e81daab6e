"""Claims of warm bots on a real API server: how many a second, how long each takes, and what it writes.

The runtime is this process's own, so that nobody else's requests count.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from controller.core.errors import ControllerError
from scripts.benchmarks.calls.programs import processor_seconds
from scripts.benchmarks.cluster import loading
from scripts.benchmarks.cluster.cores import apart
from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.cluster.site import MeasuredCluster
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.warm.api_writes import COUNTED, begin_counting, writes_at_server
from scripts.benchmarks.warm.claim_pools import (
    ClaimOne,
    ClaimPool,
    following,
    pool_of_client,
    pool_of_runtime,
)

OURS: Final = "Podline"
RAW: Final = "raw client"

POOL: Final = "warm bots in a cluster's pool"
LISTED: Final = "sessions in the same namespace"
CLAIMED: Final = "claims that took the bot"
WRITES: Final = "a claim's writes before it returns"
PARTS: Final = {"client": "runtime or client", "kube-apiserver": "API server", "etcd": "etcd"}
"""Whose processor time is counted, the labels included that pods get after claims."""

_SHARES: Final[Mapping[int, float]] = {1: 0.1, 16: 0.3, 64: 0.3}
"""Of the pool that is claimed with so many under way at any time. The rest is claimed at one moment."""

WAYS: Final[tuple[int | None, ...]] = (*_SHARES, None)


@dataclass(frozen=True)
class ClaimSizes:
    """How much is claimed, unless the command says otherwise.

    Attributes:
        pool: Warm bots of each contender.
        listed: Sessions that are there besides.
        turns: In how many parts claims are made with as many under way.
        settled_seconds: After each turn, for what follows from its claims.
    """

    pool: int
    listed: int
    turns: int
    settled_seconds: float


FULL: Final = ClaimSizes(pool=1000, listed=10_000, turns=3, settled_seconds=4.0)
SMALL: Final = ClaimSizes(pool=20, listed=4, turns=1, settled_seconds=0.2)


@dataclass(frozen=True)
class MeasuredClaim:
    """One claim: how long it took, how many writes it made until it returned, and whether it took the bot."""

    seconds: float
    writes: int
    is_claimed: bool


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
    return f"processor time of a claim: {PARTS[part]}"


async def measure_on(run: BenchRun, cluster: MeasuredCluster) -> None:
    """Measure on a control plane whose controller-manager, scheduler and nodes rest."""
    usual = SMALL if run.is_small else FULL
    pool, listed = run.options.get("pool", usual.pool), run.options.get("listed", usual.listed)
    access, bare = await cluster.namespace("claims"), await cluster.namespace("bare-claims")
    await loading.fill(replace(run, count=listed), access)
    async with following(cluster, access) as followed, Raw(access) as raw, Raw(bare) as client:
        run.progress.doing(f"launching {pool} warm bots")
        contenders = {
            OURS: await pool_of_runtime(followed, raw, pool),
            RAW: await pool_of_client(client, pool),
        }
        run.results.sample(POOL, OURS, pool)
        run.results.sample(LISTED, OURS, listed)
        with apart(list(cluster.pids.values())):
            await _take_turns(run, cluster, raw, contenders, pool, usual.turns)


async def _take_turns(
    run: BenchRun,
    cluster: MeasuredCluster,
    raw: Raw,
    contenders: Mapping[str, ClaimPool],
    pool: int,
    turns: int,
) -> None:
    for at_once, share in _SHARES.items():
        run.progress.doing(f"claims, {how(at_once)}")
        for turn in range(turns):
            for name in _in_turn(turn):
                chosen = list(islice(contenders[name].claims, max(1, int(pool * share / turns))))
                await contenders[name].open_connections(at_once)
                await _measure_turn(run, cluster, raw, name, chosen, at_once)
    run.progress.doing("claims at one moment")
    for name in _in_turn(turns):
        chosen = list(contenders[name].claims)
        await contenders[name].open_connections(len(chosen))
        await _measure_turn(run, cluster, raw, name, chosen, None)


def _in_turn(number: int) -> tuple[str, str]:
    return (RAW, OURS) if number % 2 else (OURS, RAW)


async def _measure_turn(
    run: BenchRun,
    cluster: MeasuredCluster,
    raw: Raw,
    name: str,
    chosen: list[ClaimOne],
    at_once: int | None,
) -> None:
    """Make these claims, and note what they and what follows from them took and wrote."""
    pids = {"client": os.getpid(), **cluster.pids}
    written = await writes_at_server(raw)
    spent = {part: processor_seconds(pid) for part, pid in pids.items()}
    began = time.monotonic()
    claims = await _claim_all(chosen, at_once or len(chosen))
    run.results.sample(rate_name(at_once), name, len(chosen) / (time.monotonic() - began))
    await asyncio.sleep((SMALL if run.is_small else FULL).settled_seconds)
    for part, pid in pids.items():
        run.results.sample(cost_name(part), name, (processor_seconds(pid) - spent[part]) / len(chosen))
    now_written = await writes_at_server(raw)
    for resource in COUNTED:
        each = (now_written[resource] - written[resource]) / len(chosen)
        run.results.sample(server_name(resource), name, each)
    for claim in claims:
        run.results.sample(latency_name(at_once), name, claim.seconds)
        if name == OURS:
            run.results.sample(WRITES, name, claim.writes)
            run.results.sample(CLAIMED, name, float(claim.is_claimed))


async def _claim_all(chosen: list[ClaimOne], at_once: int) -> list[MeasuredClaim]:
    left = iter(chosen)

    async def work() -> list[MeasuredClaim]:
        return [await _claim(each) for each in left]

    done = await asyncio.gather(*(work() for _ in range(at_once)))
    return [claim for claims in done for claim in claims]


async def _claim(claim: ClaimOne) -> MeasuredClaim:
    """Make one claim."""
    writes = begin_counting()
    began = time.monotonic()
    is_claimed = False
    with suppress(ControllerError):
        await claim()
        is_claimed = True
    # The runtime labels the pod later, in a task that counts into the same list.
    return MeasuredClaim(time.monotonic() - began, len(writes), is_claimed)
