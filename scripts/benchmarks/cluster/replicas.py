"""Two replicas over thousands of sessions: take-overs as callers notice them, and what a standby costs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp

from scripts.benchmarks.calls.programs import resident_megabytes
from scripts.benchmarks.cluster import loading
from scripts.benchmarks.cluster.raw import ApiAccess
from scripts.benchmarks.cluster.site import MeasuredCluster, MeasuredController, controller, site
from scripts.benchmarks.cluster.starts import at_rate
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    A_SECOND,
    MEGABYTES,
    SECONDS,
    Comparison,
    Figure,
    Table,
    table_of,
    worst,
)
from testing.processes import free_port

ONE: Final = "one controller"
TWO: Final = "two replicas"
FOLLOWER: Final = "through the follower"

HANDOVER: Final = "longest wait for an answer: leader asked to end"
CRASH: Final = "longest wait for an answer: leader killed"
STREAM: Final = "event stream: from its end to the next event, leader {}"
MEMORY: Final = "resident memory, {}"
STARTS: Final = "starts, 16 at one time"

_ASKED: Final = "asked to end"
_KILLED: Final = "killed"
_AT_ONCE: Final = 16
_BETWEEN_SECONDS: Final = 0.02
_SETTLED_SECONDS: Final = 3.0


def table(results: Results) -> Table:
    """Return the rows of all figures."""
    ratio = (Comparison(TWO, ONE, is_ratio=True), Comparison(FOLLOWER, ONE, is_ratio=True))
    figures = [
        Figure(HANDOVER, SECONDS, target="p50 at most 1 s", summarize=worst),
        Figure(CRASH, SECONDS, target="p99 at most 5 s", summarize=worst),
        Figure(STREAM.format(_ASKED), SECONDS, target="at most 3 s", summarize=worst),
        Figure(STREAM.format(_KILLED), SECONDS, summarize=worst),
        Figure(MEMORY.format("leader"), MEGABYTES),
        Figure(MEMORY.format("standby"), MEGABYTES, target="no more than the leader"),
        Figure(STARTS, A_SECOND, ratio, "two replicas at least 0.95 of one"),
    ]
    return table_of(results, figures)


async def measure(run: BenchRun) -> None:
    """Measure on a control plane whose busy parts rest."""
    run.progress.doing("starting the control plane")
    async with site(run.directory) as cluster:
        await _measure_starts(run, cluster)
        access = await cluster.namespace("replicas")
        await loading.fill(run, access)
        await _measure_takeovers(run, cluster, access)


async def _measure_starts(run: BenchRun, cluster: MeasuredCluster) -> None:
    """Each contender has a namespace and processes of its own, and they take turns."""
    rounds, count = (1, 16) if run.is_small else (8, 160)
    accesses = [await cluster.namespace(name) for name in ("one", "two")]
    async with controller(cluster, accesses[0]) as one, _pair(cluster, accesses[1]) as (leader, follower):
        await one.until_ready()
        contenders = {ONE: one, TWO: leader, FOLLOWER: follower}
        for contender in contenders.values():
            await at_rate(contender.start, _AT_ONCE, count)
        for number in range(1, rounds + 1):
            run.progress.at(number, rounds, "starts, round")
            for name, contender in contenders.items():
                run.results.sample(STARTS, name, await at_rate(contender.start, _AT_ONCE, count))


async def _measure_takeovers(run: BenchRun, cluster: MeasuredCluster, access: ApiAccess) -> None:
    rounds = 1 if run.is_small else 10
    async with AsyncExitStack() as stack:
        leader, follower = await stack.enter_async_context(_pair(cluster, access))
        for number in range(1, 2 * rounds + 1):
            run.progress.at(number, 2 * rounds, "take-over")
            await asyncio.sleep(0.1 if run.is_small else _SETTLED_SECONDS)
            run.results.sample(MEMORY.format("leader"), TWO, resident_megabytes(leader.pid))
            run.results.sample(MEMORY.format("standby"), TWO, resident_megabytes(follower.pid))
            is_asked = number % 2 == 1
            await _take_over(run, leader, follower, is_asked=is_asked)
            leader, follower = follower, await stack.enter_async_context(_replica(cluster, access))
            await follower.until_ready()


async def _take_over(
    run: BenchRun, leader: MeasuredController, follower: MeasuredController, *, is_asked: bool
) -> None:
    """End the leader, and note what a caller of the follower sees of it."""
    how = _ASKED if is_asked else _KILLED
    has_taken_over = asyncio.Event()
    reading = asyncio.create_task(_longest_wait(follower, has_taken_over))
    watching = asyncio.create_task(_stream_gap(follower))
    await asyncio.sleep(0.5)
    leader.program.process.send_signal(signal.SIGTERM if is_asked else signal.SIGKILL)
    await _until_leads(follower)
    run.results.sample(STREAM.format(how), TWO, await watching)
    has_taken_over.set()
    run.results.sample(HANDOVER if is_asked else CRASH, TWO, await reading)
    await asyncio.to_thread(leader.program.process.wait)


async def _longest_wait(follower: MeasuredController, is_over: asyncio.Event) -> float:
    longest = 0.0
    while not is_over.is_set():
        began = time.monotonic()
        async with follower.http.get("/v1/sessions?limit=1") as answer:
            if answer.status != 200:
                raise RuntimeError(f"A caller got {answer.status}: {await answer.text()}")
            await answer.read()
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(_BETWEEN_SECONDS)
    return longest


async def _stream_gap(follower: MeasuredController) -> float:
    """Follow all sessions until the stream ends, and open it again until the first event."""
    try:
        async with follower.http.get("/v1/events", timeout=aiohttp.ClientTimeout(total=None)) as stream:
            async for _ in stream.content:
                pass
    except aiohttp.ClientPayloadError:
        pass
    ended = time.monotonic()
    while True:
        async with follower.http.get("/v1/events", timeout=aiohttp.ClientTimeout(total=None)) as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    return time.monotonic() - ended


async def _until_leads(replica: MeasuredController) -> None:
    while not await _leads(replica):  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(_BETWEEN_SECONDS)


async def _leads(replica: MeasuredController) -> bool:
    async with replica.http.get("/metrics") as answer:
        return "\npodline_leader 1.0" in await answer.text()


@asynccontextmanager
async def _pair(
    cluster: MeasuredCluster, access: ApiAccess
) -> AsyncIterator[tuple[MeasuredController, MeasuredController]]:
    """Two replicas: the one that leads, and the other."""
    async with _replica(cluster, access) as one, _replica(cluster, access) as other:
        await one.until_ready()
        await other.until_ready()
        while not (await _leads(one) or await _leads(other)):  # noqa: ASYNC110 - likewise
            await asyncio.sleep(_BETWEEN_SECONDS)
        yield (one, other) if await _leads(one) else (other, one)


def _replica(cluster: MeasuredCluster, access: ApiAccess) -> AbstractAsyncContextManager[MeasuredController]:
    return controller(
        cluster, access, PODLINE_REPLICA_ADDRESS="127.0.0.1", PODLINE_REPLICAS_PORT=str(free_port())
    )
