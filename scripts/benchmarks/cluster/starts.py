"""How many sessions a second are started, beside two that make the same writes and do nothing else.

One is a client that asks the API server itself, the other the least of an application between the two.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from controller.core.runtime import Launch
from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.cores import apart
from scripts.benchmarks.cluster.progress import report
from scripts.benchmarks.cluster.raw import ApiAccess, Raw, write_two
from scripts.benchmarks.cluster.site import MeasuredCluster, bare_app, controller
from scripts.benchmarks.programs import processor_seconds

STARTS: Final = {1: 40, 16: 80, 64: 160}
"""In one turn, by how many are under way at any time."""
TURNS: Final = 6
"""Of each in a round, short so that the API server's collection of garbage falls into few of them."""
ROUNDS: Final = 6

WARM_UP: Final = 64
"""As many connections as there will be at one time."""

Work = Callable[[], Awaitable[Any]]


@dataclass
class Rates:
    """Starts per second, turn by turn, and what processor time each process has spent on so many starts."""

    per_second: list[float] = field(default_factory=list)
    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    starts: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.per_second)

    def cost(self, process: str) -> float:
        """Seconds for each start."""
        return self.spent[process] / self.starts

    def beside(self, other: Rates) -> float:
        """The median of the ratios, each of two that were measured one after the other."""
        pairs = zip(self.per_second, other.per_second, strict=True)
        return statistics.median(own / bare for own, bare in pairs)


@dataclass
class Level:
    """So many under way at one time."""

    ours: Rates = field(default_factory=Rates)
    app: Rates = field(default_factory=Rates)
    raw: Rates = field(default_factory=Rates)


@dataclass(frozen=True)
class Contender:
    """One who makes starts, and the processes that have a share in them."""

    start: Work
    pids: Mapping[str, int]


async def measure(cluster: MeasuredCluster, *, with_own_core: bool) -> dict[int, Level]:
    """By how many are under way at one time; with a core for API server and etcd alone, or none."""
    if not with_own_core:
        return await _measure(cluster, "all on the same cores")
    with apart(list(cluster.pids.values())):
        return await _measure(cluster, "API server on a core of its own")


async def _measure(cluster: MeasuredCluster, how: str) -> dict[int, Level]:
    """Each round has processes and namespaces of its own, so that none has many sessions."""
    levels = {at_once: Level() for at_once in STARTS}
    for number in range(ROUNDS):
        report(f"starts, {how}: round {number + 1} of {ROUNDS}")
        accesses = [await cluster.namespace(name) for name in ("starts", "app", "raw")]
        async with (
            controller(cluster, accesses[0]) as ours,
            bare_app(cluster, accesses[1]) as app,
            Raw(accesses[2]) as raw,
        ):
            await ours.until_ready()
            client = {"client": os.getpid(), **cluster.pids}
            launches = await prepared(accesses[2], WARM_UP + TURNS * sum(STARTS.values()))
            contenders = {
                "ours": Contender(ours.start, {"server": ours.pid, **client}),
                "app": Contender(app.start, {"server": app.pid, **client}),
                "raw": Contender(lambda raw=raw, left=launches: write_two(raw, *left.pop()), client),  # type: ignore[misc]
            }
            await take_turns(contenders, levels, number)
    return levels


async def take_turns(contenders: Mapping[str, Contender], levels: Mapping[int, Level], number: int) -> None:
    for contender in contenders.values():
        await at_rate(contender.start, WARM_UP, WARM_UP)
    order = list(contenders)
    for at_once, level in levels.items():
        for turn in range(TURNS):
            first = (number + turn) % len(order)
            for name in order[first:] + order[:first]:
                await note(getattr(level, name), contenders[name], at_once)


async def prepared(access: ApiAccess, count: int) -> list[tuple[Launch, bytes]]:
    """Launches and their Jobs, for a client that only sends them."""
    launches = [await made.new_launch() for _ in range(count)]
    return [(each, msgspec.json.encode(made.job_of(each, access.namespace))) for each in launches]


async def note(rates: Rates, contender: Contender, at_once: int) -> None:
    count = STARTS[at_once]
    before = {name: processor_seconds(pid) for name, pid in contender.pids.items()}
    rates.per_second.append(await at_rate(contender.start, at_once, count))
    for name, pid in contender.pids.items():
        rates.spent[name] += processor_seconds(pid) - before[name]
    rates.starts += count


async def at_rate(start: Work, at_once: int, count: int) -> float:
    """Starts per second with so many under way at any time."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await start()

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return count / (time.monotonic() - began)
