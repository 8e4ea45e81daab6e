"""Runs groups of jobs to their end: their logs, the screen, the timings, and nothing left behind."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from podline_cli.local.descendants import adopt_orphans, end_orphans
from scripts.commands.running.display import Screen, timings
from scripts.commands.running.lanes import LaneJob, Run, State, run_groups
from scripts.commands.running.preparing import Preparations, PreparedNeed
from scripts.commands.running.priority import IdleTime, idle_time
from scripts.commands.running.processes import collect_orphans, run_logged


@dataclass(frozen=True)
class RunOutcome:
    """How everything ended."""

    runs: Sequence[Run]
    prepared: Sequence[PreparedNeed]

    @property
    def failed(self) -> list[str]:
        return [run.job.name for run in self.runs if run.state is State.FAILED]

    @property
    def left_out(self) -> list[str]:
        return list(dict.fromkeys(each.left_out for each in self.prepared if each.left_out is not None))


def execute(groups: Sequence[Sequence[Sequence[LaneJob]]], logs: Path, console: Console) -> RunOutcome:
    """Run all, print what each said when it ends and how long it took, and leave no process running."""
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    adopt_orphans()
    with idle_time() as idle:
        try:
            return asyncio.run(_execute(groups, logs, console, idle))
        finally:
            end_orphans()


async def _execute(
    groups: Sequence[Sequence[Sequence[LaneJob]]], logs: Path, console: Console, idle: IdleTime
) -> RunOutcome:
    began = time.monotonic()
    made = [
        [[Run(job, logs / f"{_file_name(job)}.log") for job in lane] for lane in group] for group in groups
    ]
    runs = [run for group in made for lane in group for run in lane]
    screen = Screen(console, runs)
    needs = dict.fromkeys(need for run in runs for need in run.job.needs)

    async def run_idle(command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> int:
        return await run_logged(idle.command(command), log, variables)

    preparations = Preparations(list(needs), logs, screen.changed, run_idle)
    collecting = asyncio.create_task(collect_orphans())
    try:
        async with screen.shown(preparations):
            await run_groups(made, preparations, screen, idle)
    finally:
        collecting.cancel()
    prepared = preparations.finished()
    console.print(timings(runs, prepared, time.monotonic() - began))
    return RunOutcome(runs, prepared)


def _file_name(job: LaneJob) -> str:
    return job.name.replace("/", "-").replace(" ", "-")[:100]
