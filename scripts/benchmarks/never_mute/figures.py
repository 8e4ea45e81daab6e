"""`scripts/bench never-mute`: calls in a row, each with one random fault of the model's, from a seed.

It fails if a caller waits in silence beyond the bound, or a call ends without a true reason.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

import httpx

from sandbox.voice import Voice
from scripts.benchmarks.never_mute.calls import CallOutcome, one_call
from scripts.benchmarks.programs import programs, system
from testing.model_faults.call import PATIENCE_SECONDS, FaultSite, site_variables

AT_ONCE: Final = 3


async def measure(directory: Path, calls: int, seed: int) -> str:
    """Make the calls, and print what callers heard, by fault."""
    personas = directory / "personas"
    personas.mkdir()
    outcomes: list[CallOutcome] = []
    turns = asyncio.Semaphore(AT_ONCE)
    with programs(directory, with_bare=False, **site_variables(personas)) as machine:
        async with (
            httpx.AsyncClient(base_url=machine.url, timeout=40) as controller,
            httpx.AsyncClient(base_url=machine.store_url) as control,
            asyncio.TaskGroup() as tasks,
        ):
            site = FaultSite(controller, control, personas, Voice())

            async def play(number: int) -> None:
                # What is drawn for a call depends on its number alone, so that it can be repeated.
                async with turns:
                    chance = Random(f"{seed} {number}")  # noqa: S311 - not for secrets
                    outcomes.append(await one_call(site, f"caller-{number}", chance))
                    progress(outcomes, calls, seed)

            for number in range(1, calls + 1):
                tasks.create_task(play(number))
    print(table(outcomes, seed))
    if troubled := [outcome for outcome in outcomes if outcome.trouble]:
        for outcome in troubled:
            sys.stderr.write(f"\n=== {outcome.name}: {outcome.fault}\n{outcome.account}\n")
        sys.exit(f"{len(troubled)} of {calls} calls went wrong; seed {seed}.")
    return f"No caller was silent for more than {PATIENCE_SECONDS:g} s; seed {seed}."


def progress(outcomes: Sequence[CallOutcome], calls: int, seed: int) -> None:
    answered = sum(outcome.is_answered for outcome in outcomes)
    troubled = [outcome.name for outcome in outcomes if outcome.trouble]
    wrong = f", wrong: {', '.join(troubled)}" if troubled else ""
    line = f"seed {seed}: {len(outcomes)} of {calls} calls, {answered} answered to the end{wrong}"
    sys.stderr.write(f"\r{line}" + ("\n" if len(outcomes) == calls else ""))


def table(outcomes: Sequence[CallOutcome], seed: int) -> str:
    """Return a line for each kind of fault."""
    by_fault: dict[str, list[CallOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_fault[outcome.fault.name].append(outcome)
    lines = [f"{len(outcomes)} calls with one random fault each; seed {seed}; {system()}", ""]
    lines.append(f"{'fault':40} calls  answered  ended  wrong  median wait  longest wait  reasons")
    lines += [_row(fault, of_fault) for fault, of_fault in sorted(by_fault.items())]
    return "\n".join([*lines, "", _row("all", outcomes)])


def _row(fault: str, outcomes: Sequence[CallOutcome]) -> str:
    waits = [wait for outcome in outcomes for wait in outcome.waits] or [0.0]
    answered = sum(outcome.is_answered for outcome in outcomes)
    troubled = sum(bool(outcome.trouble) for outcome in outcomes)
    ended = len(outcomes) - answered - troubled
    reasons = ", ".join(sorted({outcome.reason for outcome in outcomes} - {"caller_left"}))
    return (
        f"{fault:40} {len(outcomes):5}  {answered:8}  {ended:5}  {troubled:5}  "
        f"{statistics.median(waits):9.1f} s  {max(waits):10.1f} s  {reasons}"
    )
