"""`scripts/bench cluster`: all that is measured over a control plane, in one run and one table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.benchmarks.cluster import burst, events, loading, recovery, starts
from scripts.benchmarks.cluster.progress import done, report
from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.cluster.site import MeasuredCluster, controller, site
from scripts.benchmarks.programs import system

EVENT_ROUNDS: Final = 3
HEADINGS: Final = ("", "Podline", "raw", "ratio", "target")
START_TARGETS: Final = {1: "0.75", 16: "0.9", 64: "0.9"}


@dataclass(frozen=True)
class FigureRow:
    """One line of the table; what does not apply is empty."""

    what: str
    ours: str
    raw: str = ""
    ratio: str = ""
    target: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return self.what, self.ours, self.raw, self.ratio, self.target


async def measure(directory: Path, sessions: int) -> str:
    """The table, with so many sessions where the number matters."""
    report("the control plane starts")
    async with site(directory) as cluster:
        rows = start_rows(
            "API server on a core of its own", await starts.measure(cluster, with_own_core=True)
        )
        rows += start_rows("all on the same cores", await starts.measure(cluster, with_own_core=False))
        rows += await burst_rows(cluster)
        rows += await event_rows(cluster)
        rows += await recovery_rows(cluster, sessions)
    done()
    return table(rows, sessions)


def start_rows(how: str, levels: dict[int, starts.Level]) -> list[FigureRow]:
    rows = [FigureRow(f"starts, {how}", "")]
    for at_once, level in levels.items():
        rows += [
            FigureRow(
                f"  {at_once} at one time",
                f"{level.ours.median:.0f}/s",
                f"{level.raw.median:.0f}/s",
                f"{level.ours.beside(level.raw):.2f}",
                f">= {START_TARGETS[at_once]}",
            ),
            FigureRow(
                "  the same writes behind a bare FastAPI app",
                f"{level.app.median:.0f}/s",
                "",
                f"{level.app.beside(level.raw):.2f}",
            ),
        ]
    level = levels[16]
    for part, what in {"server": "controller", "kube-apiserver": "API server", "etcd": "etcd"}.items():
        rows.append(
            FigureRow(
                f"  processor time of one, 16 at one time: {what}",
                f"{level.ours.cost(part) * 1000:.2f} ms",
                f"{level.raw.cost('client' if part == 'server' else part) * 1000:.2f} ms",
            )
        )
    return rows


async def burst_rows(cluster: MeasuredCluster) -> list[FigureRow]:
    report(f"{burst.STARTS} starts at one moment")
    found = await burst.measure(cluster)
    answers = ", ".join(f"{count} x {status}" for status, count in sorted(found.answers.items()))
    what = f"{burst.STARTS} starts at one moment, capacity {burst.CAPACITY}"
    halves = f"{burst.CAPACITY} x 201, {burst.STARTS - burst.CAPACITY} x 429"
    return [
        FigureRow(what, answers, target=halves),
        FigureRow("  Jobs there are then", str(found.jobs), target=str(burst.CAPACITY)),
        FigureRow("  until the last answer", f"{found.seconds:.1f} s"),
        FigureRow("  handler's own time for a 429, p50", milliseconds(at(found.refusals, 0.5))),
        FigureRow(
            "  handler's own time for a 429, p99", milliseconds(at(found.refusals, 0.99)), target="< 5 ms"
        ),
    ]


async def event_rows(cluster: MeasuredCluster) -> list[FigureRow]:
    access = await cluster.namespace("events")
    async with controller(cluster, access) as ours, Raw(access) as raw:
        await ours.until_ready()
        found = await events.measure(ours, access, raw, EVENT_ROUNDS)
    return lateness(f"pod's change to event on the stream, {events.PER_SECOND} changes a second", found)


def lateness(what: str, rounds: Sequence[Sequence[float]], target: str = "<= 25 ms") -> list[FigureRow]:
    return [
        FigureRow(f"{what}: later than a bare watch, p50", later(rounds, 0.5)),
        FigureRow("  the same, p99", later(rounds, 0.99), target=target),
    ]


def later(rounds: Sequence[Sequence[float]], share: float) -> str:
    return milliseconds(statistics.median(at(each, share) for each in rounds))


async def recovery_rows(cluster: MeasuredCluster, sessions: int) -> list[FigureRow]:
    access, empty = await cluster.namespace("full"), await cluster.namespace("empty")
    session_id = await loading.fill(access, sessions)
    restarts = await recovery.measure(cluster, access, empty)
    report("requests during a start")
    probed = [await recovery.latencies(cluster, access, session_id) for _ in range(recovery.ROUNDS)]
    async with controller(cluster, access) as ours, Raw(access) as raw:
        await ours.until_ready()
        crowded = await events.measure(ours, access, raw, EVENT_ROUNDS)
    return [
        *memory_rows(restarts, sessions),
        *restart_rows(restarts),
        *latency_rows("GET /livez", [each.livez for each in probed]),
        *latency_rows("GET /v1/sessions/{id}", [each.session for each in probed]),
        *lateness(f"pod's change to event, with {sessions} sessions", crowded, target=""),
    ]


def memory_rows(found: recovery.RecoveryTimes, sessions: int) -> list[FigureRow]:
    full, empty = statistics.median(found.megabytes), statistics.median(found.megabytes_when_empty)
    return [
        FigureRow(f"resident memory with {sessions} sessions", f"{full:.0f} MB", target="< 150 MB"),
        FigureRow("  without a session", f"{empty:.0f} MB"),
        FigureRow("  for each session", f"{(full - empty) / sessions * 1000:.1f} KB", target="<= 5 KB"),
    ]


def restart_rows(found: recovery.RecoveryTimes) -> list[FigureRow]:
    """Both began as a process; what each takes with nothing to list is taken away for the ratio."""
    ours, empty = statistics.median(found.ready), statistics.median(found.ready_when_empty)
    bare, imports = statistics.median(found.bare), statistics.median(found.bare_imports)
    ratio = statistics.median(
        (full - none) / (listed - imported)
        for full, none, listed, imported in zip(
            found.ready, found.ready_when_empty, found.bare, found.bare_imports, strict=True
        )
    )
    objects = f"{found.bare_objects} Jobs and pods"
    return [
        FigureRow(f"process start to ready / {objects} listed", f"{ours:.2f} s", f"{bare:.2f} s"),
        FigureRow("  with nothing in the cluster / imported", f"{empty:.2f} s", f"{imports:.2f} s"),
        FigureRow(
            "  the difference", f"{ours - empty:.2f} s", f"{bare - imports:.2f} s", f"{ratio:.2f}", "<= 1.3"
        ),
    ]


def latency_rows(what: str, rounds: Sequence[Sequence[float]]) -> list[FigureRow]:
    """Of all rounds together: a start is short, and has few requests."""
    together = [seconds for each in rounds for seconds in each]
    return [
        FigureRow(f"{what} during that start, p99 of {len(together)}", milliseconds(at(together, 0.99))),
        FigureRow("  the worst", milliseconds(max(together))),
    ]


def at(samples: Sequence[float], share: float) -> float:
    """The sample that so large a share of them does not exceed."""
    return sorted(samples)[min(len(samples) - 1, int(len(samples) * share))]


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def table(rows: Sequence[FigureRow], sessions: int) -> str:
    cells = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
    heading = (
        f"A controller over a real API server, {sessions // 2} live and {sessions - sessions // 2} ended "
        f"sessions where many are streamed; medians of rounds in turn; {system()}"
    )
    return "\n".join([heading, "", *lines])
