"""Twice as many starts at one moment as the capacity."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.cluster.site import MeasuredCluster, MeasuredController, controller

STARTS: Final = 1000
CAPACITY: Final = 500


@dataclass(frozen=True)
class Burst:
    """What came of it.

    Attributes:
        answers: how many of each status.
        jobs: how many there are afterwards.
        seconds: until the last answer.
        refusals: seconds that the handler took for each 429.
    """

    answers: Counter[int]
    jobs: int
    seconds: float
    refusals: list[float]


async def measure(cluster: MeasuredCluster) -> Burst:
    access = await cluster.namespace("burst")
    file = cluster.directory / "refusals.json"
    async with controller(
        cluster,
        access,
        command=("scripts.benchmarks.cluster.timed", str(file)),
        at_once=STARTS,
        PODLINE_CAPACITY=str(CAPACITY),
    ) as ours:
        await ours.until_ready()
        began = time.monotonic()
        answers = Counter(await asyncio.gather(*(status_of_start(ours) for _ in range(STARTS))))
        seconds = time.monotonic() - began
        async with Raw(access) as raw:
            jobs = sum([len(items) async for items, _ in raw.pages(access.jobs)])
    return Burst(answers, jobs, seconds, msgspec.json.decode(file.read_bytes(), type=list[float]))


async def status_of_start(ours: MeasuredController) -> int:
    patience = aiohttp.ClientTimeout(total=60)
    async with ours.http.post("/v1/sessions", json={"user_id": "bench"}, timeout=patience) as answer:
        await answer.read()
        return answer.status
