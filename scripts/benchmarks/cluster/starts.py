"""How many sessions a second are started, beside two that make the same writes and do nothing else.

One is a client that asks the API server itself, the other the least of an application between the two.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from controller.core.runtime import Launch
from scripts.benchmarks.calls.programs import processor_seconds
from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.cores import apart
from scripts.benchmarks.cluster.raw import ApiAccess, Raw, write_two
from scripts.benchmarks.cluster.site import MeasuredCluster, bare_app, controller
from scripts.benchmarks.cluster.sizes import Sizes
from scripts.benchmarks.running.run import BenchRun

APART: Final = "API server on a core of its own"
TOGETHER: Final = "all on the same cores"
PARTS: Final = {"server": "controller or client", "kube-apiserver": "API server", "etcd": "etcd"}
COSTED: Final = 16
"""By how many at one time the processor time is counted."""

Work = Callable[[], Awaitable[Any]]


def rate_name(how: str, at_once: int) -> str:
    return f"starts, {how}, {at_once} at one time"


def cost_name(how: str, part: str) -> str:
    return f"processor time of a start, {how}: {PARTS[part]}"


@dataclass(frozen=True)
class Contender:
    """One who makes starts, and the processes that have a share in them."""

    start: Work
    pids: Mapping[str, int]


async def measure(run: BenchRun, cluster: MeasuredCluster, sizes: Sizes, how: str) -> None:
    """Measure with a core for API server and etcd alone, or none."""
    with apart(list(cluster.pids.values())) if how == APART else nullcontext():
        await _measure(run, cluster, sizes, how)


async def _measure(run: BenchRun, cluster: MeasuredCluster, sizes: Sizes, how: str) -> None:
    """Each round has processes and namespaces of its own, so that none has many sessions."""
    for number in range(1, sizes.start_rounds + 1):
        run.progress.at(number, sizes.start_rounds, f"starts, {how}, round")
        accesses = [await cluster.namespace(name) for name in ("starts", "app", "raw")]
        async with (
            controller(cluster, accesses[0]) as ours,
            bare_app(cluster, accesses[1]) as app,
            Raw(accesses[2]) as raw,
        ):
            await ours.until_ready()
            launches = await prepared(accesses[2], sizes.warm_up + sizes.turns * sum(sizes.starts.values()))
            contenders = {
                "Podline": Contender(ours.start, {"server": ours.pid, **cluster.pids}),
                "FastAPI app": Contender(app.start, {"server": app.pid, **cluster.pids}),
                "raw client": Contender(
                    lambda raw=raw, left=launches: write_two(raw, *left.pop()),  # type: ignore[misc]
                    {"server": os.getpid(), **cluster.pids},
                ),
            }
            await take_turns(run, contenders, sizes, how, number)


async def take_turns(
    run: BenchRun, contenders: Mapping[str, Contender], sizes: Sizes, how: str, number: int
) -> None:
    for contender in contenders.values():
        await at_rate(contender.start, sizes.warm_up, sizes.warm_up)
    order = list(contenders)
    for at_once, count in sizes.starts.items():
        for turn in range(sizes.turns):
            first = (number + turn) % len(order)
            for name in order[first:] + order[:first]:
                before = {part: processor_seconds(pid) for part, pid in contenders[name].pids.items()}
                run.results.sample(
                    rate_name(how, at_once), name, await at_rate(contenders[name].start, at_once, count)
                )
                for part, pid in contenders[name].pids.items():
                    if at_once == COSTED:
                        spent = processor_seconds(pid) - before[part]
                        run.results.sample(cost_name(how, part), name, spent / count)


async def prepared(access: ApiAccess, count: int) -> list[tuple[Launch, bytes]]:
    """Launches and their Jobs, for a client that only sends them."""
    launches = [await made.new_launch() for _ in range(count)]
    return [(each, msgspec.json.encode(made.job_of(each, access.namespace))) for each in launches]


async def at_rate(start: Work, at_once: int, count: int) -> float:
    """Starts per second with so many under way at any time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await start()

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return count / (time.monotonic() - began)
