"""All that is measured of warm bots, in one run and one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scripts.benchmarks.calls.call import ACCEPTED, JOINED
from scripts.benchmarks.calls.rooms import GREETED
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
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
from scripts.benchmarks.warm import local
from scripts.benchmarks.warm.agents import COLD, WARM

_JOIN_TARGET: Final = "warm: p50 at most 50 ms, p99 at most 200 ms"


def taken(values: Sequence[float], _: Unit) -> str:
    """Write how many of all there were."""
    return f"{sum(values):.0f} of {len(values)}"


def _figures(sizes: local.Sizes) -> list[Figure]:
    both = (Comparison(WARM, COLD),)
    at_once = sizes.at_once
    return [
        Figure(local.alone(ACCEPTED), MILLISECONDS, both, summarize=worst),
        Figure(local.alone(JOINED), MILLISECONDS, both, _JOIN_TARGET, worst),
        Figure(local.alone(GREETED), MILLISECONDS, both, "warm: p50 at most 400 ms", worst),
        Figure(local.alone(local.TOOK), NUMBER, target="all", summarize=taken),
        Figure(local.together(ACCEPTED, at_once), MILLISECONDS, summarize=worst),
        Figure(local.together(JOINED, at_once), MILLISECONDS, (), _JOIN_TARGET, worst),
        Figure(local.together(local.TOOK, at_once), NUMBER, target="all", summarize=taken),
        Figure(local.memory_name(local.RESIDENT, sizes.kept), MEGABYTES),
        Figure(local.memory_name(local.PROPORTIONAL, sizes.kept), MEGABYTES, target="below 60 MB"),
        Figure(local.WATCHED, MILLISECONDS, target="0"),
    ]


def table(results: Results) -> Table:
    """Return the rows of all figures, of a small run or a full one."""
    figures = {each.name: each for sizes in (local.FULL, local.SMALL) for each in _figures(sizes)}
    return table_of(results, list(figures.values()))


async def measure(run: BenchRun) -> None:
    """Measure on this machine."""
    await local.measure(run)
