"""The delay of a pod's change on the controller's stream, compared with a bare watch."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.raw import MERGE_PATCH, ApiAccess, Raw
from scripts.benchmarks.cluster.site import MeasuredController
from scripts.benchmarks.cluster.sizes import Sizes
from scripts.benchmarks.running.run import BenchRun

PER_SECOND: Final = 50
SETTLED_SECONDS: Final = 1.0
"""For the last changes to arrive."""

ROOT: Final = Path(__file__).parents[3]


class _Meta(msgspec.Struct):
    name: str


class _Named(msgspec.Struct):
    metadata: _Meta


async def measure(
    run: BenchRun, ours: MeasuredController, access: ApiAccess, raw: Raw, sizes: Sizes, figure: str
) -> None:
    """Note by how many seconds the stream was later, pod by pod."""
    for number in range(1, sizes.event_rounds + 1):
        run.progress.at(number, sizes.event_rounds, "changes of pods, round")
        pods = await unscheduled_pods(ours, access, raw, sizes.changes)
        async with (
            noting("pods", msgspec.json.encode(access).decode()) as bare,
            noting("events", ours.url) as noted,
        ):
            await schedule(pods, access, raw)
            await asyncio.sleep(SETTLED_SECONDS)
        if missing := pods.keys() - noted.keys() | pods.keys() - bare.keys():
            raise RuntimeError(f"No news of {len(missing)} of {len(pods)} pods.")
        for session in pods:
            run.results.sample(figure, "Podline", noted[session] - bare[session])


async def unscheduled_pods(
    ours: MeasuredController, access: ApiAccess, raw: Raw, count: int
) -> dict[str, str]:
    """Return sessions, and for each the name of a pod that the controller-manager might have made."""
    left = iter(range(count))
    pods: dict[str, str] = {}

    async def work() -> None:
        for _ in left:
            session = await ours.start()
            job: dict[str, Any] = msgspec.json.decode(await raw.send("GET", f"{access.jobs}/{session['id']}"))
            made_pod = await raw.send("POST", access.pods, made.pod_of(job))
            pods[session["id"]] = msgspec.json.decode(made_pod, type=_Named).metadata.name

    await asyncio.gather(*(work() for _ in range(16)))
    return pods


async def schedule(pods: dict[str, str], access: ApiAccess, raw: Raw) -> None:
    """One change after another, evenly."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number, name in enumerate(pods.values()):
            await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
            path = f"{access.pods}/{name}/status"
            tasks.create_task(raw.send("PATCH", path, made.scheduled(), MERGE_PATCH))


@asynccontextmanager
async def noting(what: str, where: str) -> AsyncIterator[dict[str, float]]:
    """A process that follows; what it has noted is there after the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "scripts.benchmarks.cluster.watching",
        what,
        where,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    noted: dict[str, float] = {}
    try:
        assert process.stdin is not None  # noqa: S101 - asked for
        assert process.stdout is not None  # noqa: S101 - likewise
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"It can't follow {what}.")
        yield noted
        process.stdin.close()
        noted |= msgspec.json.decode(await process.stdout.readline(), type=dict[str, float])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
