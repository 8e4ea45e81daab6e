"""All that is measured over a control plane, in one run and one table."""

from __future__ import annotations

import statistics
from typing import Final

from scripts.benchmarks.cluster import burst, events, loading, recovery, starts
from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.cluster.site import MeasuredCluster, controller, site
from scripts.benchmarks.cluster.sizes import FULL, SMALL, Sizes
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    A_SECOND,
    FINE_MILLISECONDS,
    MEGABYTES,
    NUMBER,
    SECONDS,
    Comparison,
    Figure,
    Table,
    Unit,
    percentile,
    table_of,
    worst,
)

OURS: Final = "Podline"
RAW: Final = "raw client"
APP: Final = "FastAPI app"

LATER: Final = "pod's change to event, later than a bare watch, {} sessions"
WITHOUT: Final = "only those of the bench"
KILOBYTES_EACH: Final = "KB for each session"

_START_TARGETS: Final = {1: "0.75", 16: "0.9", 64: "0.9"}
_RATIOS: Final = (Comparison(OURS, RAW, is_ratio=True), Comparison(APP, RAW, is_ratio=True))
_TENTHS: Final = Unit("ms", 1000, 1)


def _figures(sessions: int) -> list[Figure]:
    found = [
        Figure(starts.rate_name(how, at_once), A_SECOND, _RATIOS, f"Podline at {_START_TARGETS[at_once]}")
        for how in (starts.APART, starts.TOGETHER)
        for at_once in FULL.starts
    ]
    found += [
        Figure(starts.cost_name(how, part), FINE_MILLISECONDS)
        for how in (starts.APART, starts.TOGETHER)
        for part in starts.PARTS
    ]
    return [
        *found,
        Figure(burst.ACCEPTED, NUMBER, target="the capacity"),
        Figure(burst.REFUSED, NUMBER, target="the rest"),
        Figure(burst.JOBS, NUMBER, target="the capacity"),
        Figure(burst.UNTIL_LAST, SECONDS),
        Figure(burst.REFUSAL, FINE_MILLISECONDS, target="p99 at most 5 ms", summarize=worst),
        Figure(LATER.format(WITHOUT), _TENTHS, target="p99 at most 25 ms", summarize=worst),
        Figure(LATER.format(f"{sessions:,}"), _TENTHS, summarize=worst),
        Figure(recovery.memory_name(sessions), MEGABYTES, target="at most 150 MB"),
        Figure(recovery.memory_name(0), MEGABYTES),
        Figure(recovery.READY, SECONDS),
        Figure(recovery.EMPTY, SECONDS),
        Figure(recovery.LIVEZ, _TENTHS, summarize=worst),
        Figure(recovery.SESSION, _TENTHS, summarize=worst),
    ]


def table(results: Results) -> Table:
    """Return the rows of all figures, and of those that follow from two of them."""
    sessions = results.header.count
    measured = table_of(results, _figures(sessions))
    width = len(measured.headings)
    derived = [*_for_each_session(results, sessions), *_beside_bare_list(results)]
    padded = [[*row, *[""] * (width - len(row))][:width] for row in derived]
    return Table(measured.headings, [*measured.rows, *padded])


def _for_each_session(results: Results, sessions: int) -> list[list[str]]:
    full = results.of(recovery.memory_name(sessions), OURS)
    empty = results.of(recovery.memory_name(0), OURS)
    if not full:
        return []
    each = statistics.median(one - other for one, other in zip(full, empty, strict=False)) / sessions * 1000
    return [["memory for each session (target: at most 5 KB)", f"{each:.1f} KB"]]


def _beside_bare_list(results: Results) -> list[list[str]]:
    """Both began as a process: what each takes with nothing to list is subtracted for the ratio."""
    columns = [
        results.of(name, of) for of in (OURS, recovery.LISTER) for name in (recovery.READY, recovery.EMPTY)
    ]
    ratios = [
        (ours - ours_empty) / (listed - imported)
        for ours, ours_empty, listed, imported in zip(*columns, strict=False)
    ]
    if not ratios:
        return []
    text = (
        f"{statistics.median(ratios):.2f} ({percentile(ratios, 0.05):.2f} to {percentile(ratios, 0.95):.2f})"
    )
    return [["listing alone, Podline / bare list (target: at most 1.3)", text]]


async def measure(run: BenchRun) -> None:
    """Measure on a control plane of our own."""
    run.progress.doing("starting the control plane")
    async with site(run.directory) as cluster:
        await measure_on(run, cluster)


async def measure_on(run: BenchRun, cluster: MeasuredCluster) -> None:
    """Measure on a control plane whose controller-manager, scheduler and nodes rest."""
    sizes = SMALL if run.is_small else FULL
    for how in (starts.APART,) if run.is_small else (starts.APART, starts.TOGETHER):
        await starts.measure(run, cluster, sizes, how)
    run.progress.doing(f"{sizes.burst} starts at one moment")
    await burst.measure(run, cluster, sizes)
    access = await cluster.namespace("events")
    async with controller(cluster, access) as ours, Raw(access) as raw:
        await ours.until_ready()
        await events.measure(run, ours, access, raw, sizes, LATER.format(WITHOUT))
    await _measure_recovery(run, cluster, sizes)


async def _measure_recovery(run: BenchRun, cluster: MeasuredCluster, sizes: Sizes) -> None:
    access, empty = await cluster.namespace("full"), await cluster.namespace("empty")
    session_id = await loading.fill(run, access)
    await recovery.measure(run, cluster, access, empty, sizes)
    for number in range(1, sizes.restarts + 1):
        run.progress.at(number, sizes.restarts, "requests during a restart,")
        await recovery.measure_latencies(run, cluster, access, session_id)
    async with controller(cluster, access) as ours, Raw(access) as raw:
        await ours.until_ready()
        await events.measure(run, ours, access, raw, sizes, LATER.format(f"{run.count:,}"))
