"""What a controller takes to know all sessions again after a restart, and what it weighs then."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from scripts.benchmarks.cluster.bare_list import ListingTimes
from scripts.benchmarks.cluster.progress import report
from scripts.benchmarks.cluster.raw import ApiAccess
from scripts.benchmarks.cluster.site import MeasuredCluster, MeasuredController, controller
from scripts.benchmarks.programs import resident_megabytes

ROUNDS: Final = 5
PROBE_SECONDS: Final = 0.01
"""Between two requests to a controller that starts."""

SETTLED_SECONDS: Final = 3.0
ROOT: Final = Path(__file__).parents[3]


@dataclass
class RecoveryTimes:
    """In seconds from the process's start, round by round."""

    ready: list[float] = field(default_factory=list)
    ready_when_empty: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    bare_imports: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    megabytes_when_empty: list[float] = field(default_factory=list)
    bare_objects: int = 0


@dataclass
class Latencies:
    """In seconds, of requests while a controller starts: from the first answer until it is ready."""

    livez: list[float] = field(default_factory=list)
    session: list[float] = field(default_factory=list)


async def measure(cluster: MeasuredCluster, access: ApiAccess, empty: ApiAccess) -> RecoveryTimes:
    starts = RecoveryTimes()
    for number in range(ROUNDS):
        report(f"restarts: round {number + 1} of {ROUNDS}")
        async with controller(cluster, empty) as ours:
            starts.megabytes_when_empty.append(await megabytes(ours))
            starts.ready_when_empty.append(ours.seconds_until_ready)
        began = time.monotonic()
        listed = await bare_list(access)
        starts.bare.append(listed.listed - began)
        starts.bare_imports.append(listed.imported - began)
        starts.bare_objects = listed.jobs + listed.pods
        async with controller(cluster, access) as ours:
            starts.megabytes.append(await megabytes(ours))
            starts.ready.append(ours.seconds_until_ready)
    return starts


async def megabytes(ours: MeasuredController) -> float:
    """Resident, once it is ready and has had a moment."""
    await ours.until_ready()
    await asyncio.sleep(SETTLED_SECONDS)
    return resident_megabytes(ours.pid)


async def bare_list(access: ApiAccess) -> ListingTimes:
    where = msgspec.json.encode(access).decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "scripts.benchmarks.cluster.bare_list", where),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return msgspec.json.decode(output, type=ListingTimes)


async def latencies(cluster: MeasuredCluster, access: ApiAccess, session_id: str) -> Latencies:
    """Of requests that come one after another while a controller starts."""
    found = Latencies()
    async with controller(cluster, access) as ours:
        waiting = asyncio.create_task(ours.until_ready())
        await asyncio.gather(
            probe(ours, "/livez", found.livez, waiting.done),
            probe(ours, f"/v1/sessions/{session_id}", found.session, waiting.done),
        )
        await waiting
    return found


async def probe(ours: MeasuredController, path: str, found: list[float], is_over: Callable[[], bool]) -> None:
    while not is_over():
        began = time.monotonic()
        try:
            async with ours.http.get(path) as answer:
                await answer.read()
        except aiohttp.ClientConnectionError:
            pass
        else:
            found.append(time.monotonic() - began)
        await asyncio.sleep(PROBE_SECONDS)
