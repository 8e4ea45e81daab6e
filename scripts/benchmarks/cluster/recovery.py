"""What a controller takes to know all sessions again after a restart, and what it weighs then."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from scripts.benchmarks.calls.programs import resident_megabytes
from scripts.benchmarks.cluster.bare_list import ListingTimes
from scripts.benchmarks.cluster.raw import ApiAccess
from scripts.benchmarks.cluster.site import MeasuredCluster, MeasuredController, controller
from scripts.benchmarks.cluster.sizes import Sizes
from scripts.benchmarks.running.run import BenchRun

PROBE_SECONDS: Final = 0.01
"""Between two requests to a controller that starts."""

READY: Final = "process start to ready / Jobs and pods listed"
EMPTY: Final = "the same with nothing in the cluster / imported"
LIVEZ: Final = "GET /livez during a start"
SESSION: Final = "GET /v1/sessions/{id} during a start"
OURS: Final = "Podline"
LISTER: Final = "bare list"
ROOT: Final = Path(__file__).parents[3]


def memory_name(sessions: int) -> str:
    return f"resident memory with {sessions:,} sessions"


async def measure(
    run: BenchRun, cluster: MeasuredCluster, access: ApiAccess, empty: ApiAccess, sizes: Sizes
) -> None:
    """Start controllers over nothing and over all sessions, and a bare list between, in turn."""
    for number in range(1, sizes.restarts + 1):
        run.progress.at(number, sizes.restarts, "restart")
        for figure, sessions, where in ((EMPTY, 0, empty), (READY, run.count, access)):
            async with controller(cluster, where) as ours:
                await ours.until_ready()
                run.results.sample(figure, OURS, ours.seconds_until_ready)
                await asyncio.sleep(sizes.settled_seconds)
                run.results.sample(memory_name(sessions), OURS, resident_megabytes(ours.pid))
        began = time.monotonic()
        listed = await bare_list(access)
        run.results.sample(READY, LISTER, listed.listed - began)
        run.results.sample(EMPTY, LISTER, listed.imported - began)


async def bare_list(access: ApiAccess) -> ListingTimes:
    where = msgspec.json.encode(access).decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.benchmarks.cluster.bare_list", where),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return msgspec.json.decode(output, type=ListingTimes)


async def measure_latencies(
    run: BenchRun, cluster: MeasuredCluster, access: ApiAccess, session_id: str
) -> None:
    """Time requests that come one after another while a controller starts: from its first answer on."""
    async with controller(cluster, access) as ours:
        waiting = asyncio.create_task(ours.until_ready())
        await asyncio.gather(
            probe(ours, "/livez", partial(run.results.sample, LIVEZ, OURS), waiting.done),
            probe(
                ours, f"/v1/sessions/{session_id}", partial(run.results.sample, SESSION, OURS), waiting.done
            ),
        )
        await waiting


async def probe(
    ours: MeasuredController, path: str, found: Callable[[float], object], is_over: Callable[[], bool]
) -> None:
    while not is_over():
        began = time.monotonic()
        try:
            async with ours.http.get(path) as answer:
                await answer.read()
        except aiohttp.ClientConnectionError:
            pass
        else:
            found(time.monotonic() - began)
        await asyncio.sleep(PROBE_SECONDS)
