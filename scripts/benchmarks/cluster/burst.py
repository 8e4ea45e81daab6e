"""Twice as many starts at one moment as the capacity."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

import aiohttp
import msgspec

from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.cluster.site import MeasuredCluster, MeasuredController, controller
from scripts.benchmarks.cluster.sizes import Sizes
from scripts.benchmarks.running.run import BenchRun

ACCEPTED: Final = "starts at one moment: answered 201"
REFUSED: Final = "starts at one moment: answered 429"
JOBS: Final = "starts at one moment: Jobs afterwards"
UNTIL_LAST: Final = "starts at one moment: until the last answer"
REFUSAL: Final = "handler's own time for a 429"
OURS: Final = "Podline"


async def measure(run: BenchRun, cluster: MeasuredCluster, sizes: Sizes) -> None:
    access = await cluster.namespace("burst")
    file = cluster.directory / "refusals.json"
    async with controller(
        cluster,
        access,
        command=("scripts.benchmarks.cluster.timed", str(file)),
        at_once=sizes.burst,
        PODLINE_CAPACITY=str(sizes.capacity),
    ) as ours:
        await ours.until_ready()
        began = time.monotonic()
        answers = Counter(await asyncio.gather(*(status_of_start(ours) for _ in range(sizes.burst))))
        run.results.sample(UNTIL_LAST, OURS, time.monotonic() - began)
        async with Raw(access) as raw:
            jobs = sum([len(items) async for items, _ in raw.pages(access.jobs)])
    run.results.sample(ACCEPTED, OURS, answers[201])
    run.results.sample(REFUSED, OURS, answers[429])
    run.results.sample(JOBS, OURS, jobs)
    for seconds in msgspec.json.decode(file.read_bytes(), type=list[float]):
        run.results.sample(REFUSAL, OURS, seconds)


async def status_of_start(ours: MeasuredController) -> int:
    patience = aiohttp.ClientTimeout(total=60)
    async with ours.http.post("/v1/sessions", json={"user_id": "bench"}, timeout=patience) as answer:
        await answer.read()
        return answer.status
