"""All that is measured of warm bots, in one run and one table."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Final

from scripts.benchmarks.calls.call import ACCEPTED, JOINED
from scripts.benchmarks.calls.rooms import GREETED
from scripts.benchmarks.cluster.site import site
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    A_SECOND,
    FINE_MILLISECONDS,
    MEGABYTES,
    MILLISECONDS,
    NUMBER,
    Comparison,
    Figure,
    Table,
    Unit,
    table_of,
    worst,
)
from scripts.benchmarks.warm import claims, local
from scripts.benchmarks.warm.agents import COLD, WARM
from scripts.benchmarks.warm.api_writes import COUNTED

_RATE_TARGET: Final = "Podline: at least 200 /s"
_TENTHS: Final = Unit("ms", 1000, 1)
_WRITES: Final = Unit("", 1, 2)
_WRITES_TARGETS: Final = {"jobs": "Podline: 1", "pods": "Podline: 1, after the answer", "secrets": "0"}
_JOIN_TARGET: Final = "warm: p50 at most 50 ms, p99 at most 200 ms"


def taken(values: Sequence[float], _: Unit) -> str:
    """Write how many of all there were."""
    return f"{sum(values):.0f} of {len(values)}"


def _local_figures(sizes: local.LocalSizes) -> list[Figure]:
    both = (Comparison(WARM, COLD),)
    at_once, crowd = sizes.at_once, sizes.crowd
    return [
        Figure(local.alone(ACCEPTED), MILLISECONDS, both, summarize=worst),
        Figure(local.alone(JOINED), MILLISECONDS, both, _JOIN_TARGET, worst),
        Figure(local.alone(GREETED), MILLISECONDS, both, "warm: p50 at most 400 ms", worst),
        Figure(local.alone(local.TOOK), NUMBER, target="all", summarize=taken),
        Figure(local.together(ACCEPTED, at_once), MILLISECONDS, summarize=worst),
        Figure(local.together(JOINED, at_once), MILLISECONDS, (), _JOIN_TARGET, worst),
        Figure(local.together(local.TOOK, at_once), NUMBER, target="all", summarize=taken),
        Figure(local.together(ACCEPTED, crowd), MILLISECONDS, summarize=worst),
        Figure(local.together(JOINED, crowd), MILLISECONDS, summarize=worst),
        Figure(local.together(local.CAME, crowd), NUMBER, summarize=taken),
        Figure(local.together(local.TOOK, crowd), NUMBER, target=str(sizes.kept), summarize=taken),
        Figure(local.memory_name(local.RESIDENT, sizes.kept), MEGABYTES),
        Figure(local.memory_name(local.PROPORTIONAL, sizes.kept), MEGABYTES, target="below 60 MB"),
        Figure(local.PRIVATE, MEGABYTES),
        Figure(local.PRELOADED, MEGABYTES),
        Figure(local.WAITED, MILLISECONDS, summarize=worst),
        Figure(local.WATCHED, MILLISECONDS, target="0"),
    ]


def most(values: Sequence[float], unit: Unit) -> str:
    """Write the median and the highest value."""
    return f"{unit.write(median(values))} (highest {unit.write(max(values))}, of {len(values)})"


def _claim_figures() -> list[Figure]:
    ratio = (Comparison(claims.OURS, claims.RAW, is_ratio=True),)
    rates = [
        Figure(claims.rate_name(way), A_SECOND, ratio, "" if way == 1 else _RATE_TARGET)
        for way in claims.WAYS
    ]
    latencies = [Figure(claims.latency_name(way), _TENTHS, summarize=worst) for way in claims.WAYS]
    at_server = [Figure(claims.server_name(each), _WRITES, target=_WRITES_TARGETS[each]) for each in COUNTED]
    costs = [Figure(claims.cost_name(part), FINE_MILLISECONDS) for part in claims.PARTS]
    return [
        Figure(claims.POOL, NUMBER),
        Figure(claims.LISTED, NUMBER),
        *rates,
        *latencies,
        *costs,
        Figure(claims.CLAIMED, NUMBER, target="all", summarize=taken),
        Figure(claims.WRITES, NUMBER, target="1", summarize=most),
        *at_server,
    ]


def table(results: Results) -> Table:
    """Return the rows of all figures, of a small run or a full one."""
    on_machine = {each.name: each for sizes in (local.FULL, local.SMALL) for each in _local_figures(sizes)}
    return table_of(results, [*on_machine.values(), *_claim_figures()])


async def measure(run: BenchRun) -> None:
    """Measure on this machine, then on a control plane of our own."""
    await local.measure(run)
    run.progress.doing("starting the control plane")
    async with site(run.directory) as cluster:
        await claims.measure_on(run, cluster)
