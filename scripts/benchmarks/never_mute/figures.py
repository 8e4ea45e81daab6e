"""Calls in a row, each with one random fault of the model's, from a seed.

It fails if a caller waits in silence beyond the bound, or a call ends without a true reason.
"""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import httpx

from sandbox.voice import Voice
from scripts.benchmarks.calls.programs import programs
from scripts.benchmarks.never_mute.calls import CallOutcome, one_call
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import Table
from testing.model_faults.call import PATIENCE_SECONDS, FaultSite, site_variables

AT_ONCE: Final = 3
HEADINGS: Final = ("fault", "calls", "answered", "ended", "wrong", "median wait", "longest wait", "reasons")
BOUND: Final = f"no caller waits longer than {PATIENCE_SECONDS:g} s in silence"


async def measure(run: BenchRun) -> None:
    """Make the calls, some at one time."""
    personas = run.directory / "personas"
    personas.mkdir()
    voice = Voice()
    turns = asyncio.Semaphore(AT_ONCE)
    done = 0
    run.progress.doing("starting sandbox and controller")
    with programs(run.directory, site_variables(personas)) as machine:
        async with (
            httpx.AsyncClient(base_url=machine.url, timeout=40) as controller,
            httpx.AsyncClient(base_url=machine.store_url) as control,
            asyncio.TaskGroup() as tasks,
        ):
            site = FaultSite(controller, control, personas, voice)

            async def play(number: int) -> None:
                nonlocal done
                # What is drawn for a call depends on its number alone, so that it can be repeated.
                async with turns:
                    chance = Random(f"{run.seed} {number}")  # noqa: S311 - not for secrets
                    note(run, await one_call(site, f"caller-{number}", chance))
                done += 1
                run.progress.at(done, run.count, "call")

            for number in range(1, run.count + 1):
                tasks.create_task(play(number))


def note(run: BenchRun, outcome: CallOutcome) -> None:
    """Write how a call went, and all that is known of it if it went wrong."""
    run.results.row(
        call=outcome.name,
        fault=outcome.fault.name,
        waits=outcome.waits,
        reason=outcome.reason,
        is_answered=outcome.is_answered,
        trouble=outcome.trouble,
    )
    if outcome.trouble:
        run.faults.append(f"{outcome.name}: {outcome.trouble}; {outcome.fault}\n{outcome.account}")


def table(results: Results) -> Table:
    """Return a row for each kind of fault, and one for all."""
    by_fault: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in results.rows:
        by_fault[row["fault"]].append(row)
    rows = [_row(fault, by_fault[fault]) for fault in sorted(by_fault)]
    return Table(HEADINGS, [*rows, _row("all", results.rows)])


def _row(fault: str, calls: Sequence[dict[str, Any]]) -> list[str]:
    waits = [wait for call in calls for wait in call["waits"]] or [0.0]
    answered = sum(call["is_answered"] for call in calls)
    wrong = sum(bool(call["trouble"]) for call in calls)
    reasons = ", ".join(sorted({call["reason"] for call in calls} - {"caller_left"}))
    return [
        fault,
        *(str(number) for number in (len(calls), answered, len(calls) - answered - wrong, wrong)),
        f"{statistics.median(waits):.1f} s",
        f"{max(waits):.1f} s",
        reasons,
    ]
