"""How many sessions a second are started, beside a client that makes the same two writes for each."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from controller.runtime import Launch
from controller.runtimes.kubernetes.manifests import session_secret
from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.raw import Door, Raw
from scripts.benchmarks.cluster.site import Controller, Site, controller

STARTS: Final = {1: 100, 16: 300, 64: 300}
"""In each round, by how many are under way at any time."""
ROUNDS: Final = 7


class _Meta(msgspec.Struct):
    uid: str


class _Made(msgspec.Struct):
    metadata: _Meta


@dataclass
class Rates:
    """Starts per second at one level, round by round, and milliseconds of processor time for each start."""

    ours: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    our_costs: list[dict[str, float]] = field(default_factory=list)
    raw_costs: list[dict[str, float]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(own / bare for own, bare in zip(self.ours, self.raw, strict=True))


async def measure(place: Site, rounds: int = ROUNDS) -> dict[int, Rates]:
    """By how many are under way at one time. Each round has a controller and namespaces of its own."""
    rates = {at_once: Rates() for at_once in STARTS}
    for number in range(rounds):
        door, raw_door = await place.namespace("starts"), await place.namespace("raw")
        async with controller(place, door) as ours, Raw(raw_door) as raw:
            await ours.until_ready()
            await asyncio.gather(*(ours.start() for _ in range(16)), *(write_raw(raw) for _ in range(16)))
            for at_once, count in STARTS.items():
                sys.stderr.write(f"\rstarts: round {number + 1} of {rounds}, {at_once:2} at one time ...")
                sys.stderr.flush()
                pair = [
                    lambda r=rates[at_once], a=at_once, c=count: rate_of_ours(place, ours, r, a, c),
                    lambda r=rates[at_once], a=at_once, c=count: rate_of_raw(place, raw, r, a, c),
                ]
                for one in pair if number % 2 else reversed(pair):
                    await one()
    sys.stderr.write("\n")
    return rates


async def rate_of_ours(place: Site, ours: Controller, rates: Rates, at_once: int, count: int) -> None:
    async def start() -> None:
        await ours.start()

    rate, cost = await rate_of(place, start, at_once, count, ours.pid)
    rates.ours.append(rate)
    rates.our_costs.append({"controller": cost.pop(str(ours.pid)), **cost})


async def rate_of_raw(place: Site, raw: Raw, rates: Rates, at_once: int, count: int) -> None:
    launches = [await made.new_launch() for _ in range(count)]
    bodies = [(each, msgspec.json.encode(made.job_of(each, raw.door.namespace))) for each in launches]

    async def write() -> None:
        await write_two(raw, *bodies.pop())

    rate, cost = await rate_of(place, write, at_once, count)
    rates.raw.append(rate)
    rates.raw_costs.append(cost)


async def write_raw(raw: Raw) -> None:
    launch = await made.new_launch()
    await write_two(raw, launch, msgspec.json.encode(made.job_of(launch, raw.door.namespace)))


async def write_two(raw: Raw, launch: Launch, job: bytes) -> None:
    """The Job, then the Secret it owns."""
    answer = msgspec.json.decode(await raw.send("POST", raw.door.jobs, job), type=_Made)
    await raw.send("POST", raw.door.secrets, session_secret(launch, answer.metadata.uid))


async def rate_of(
    place: Site, start: Callable[[], Awaitable[Any]], at_once: int, count: int, *others: int
) -> tuple[float, dict[str, float]]:
    """Starts per second with so many under way at any time, and what each cost whom, in milliseconds."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await start()

    before = place.processor_seconds(os.getpid(), *others)
    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    took = time.monotonic() - began
    after = place.processor_seconds(os.getpid(), *others)
    cost = {name: (after[name] - used) / count * 1000 for name, used in before.items()}
    return count / took, {"client": cost.pop(str(os.getpid())), **cost}
