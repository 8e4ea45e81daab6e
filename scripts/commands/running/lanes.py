"""Groups of lanes: the lanes of a group run at the same time, the jobs of a lane one after the other.

A lane that gives way gets only the processor time that the others of its group leave. Where the kernel can't
do that, it runs after them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from scripts.commands.running.preparing import Preparation, Preparations
from scripts.commands.running.priority import IdleTime
from scripts.commands.running.processes import run_logged

_PERCENT: Final = re.compile(rb"\[ *(\d+)%\]")
_END_OF_LOG: Final = 4096


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    PREPARING = "being prepared"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "FAILED"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class LaneJob:
    """A program to run, what it needs before, and whether it gives way to those beside it."""

    name: str
    command: tuple[str, ...]
    needs: tuple[Preparation, ...] = ()
    gives_way: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Run:
    """A job under way or done.

    Attributes:
        waited: seconds that it waited for what it needs.
        began: when it began to run, by the monotonic clock.
        seconds: that it ran.
        problem: why it did not run.
    """

    job: LaneJob
    log: Path
    state: State = State.WAITING
    waited: float = 0.0
    began: float = 0.0
    seconds: float = 0.0
    problem: str | None = None

    def how_far(self) -> str:
        """Say it in a few words, with pytest's own percentage."""
        if self.state is not State.RUNNING:
            return str(self.state)
        percent = self._percent()
        done = f"{percent} %, " if percent is not None else ""
        return f"{done}{time.monotonic() - self.began:.0f} s"

    def said(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _percent(self) -> int | None:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - _END_OF_LOG))
                found = _PERCENT.findall(log.read())
        except OSError:
            return None
        return int(found[-1]) if found else None


class Display(Protocol):
    """Shows what happens."""

    def changed(self, line: str) -> None: ...
    def ended(self, run: Run) -> None: ...


async def run_groups(
    groups: Sequence[Sequence[Sequence[Run]]],
    preparations: Preparations,
    display: Display,
    idle: IdleTime,
) -> None:
    """Run all; each run's state says how it ended. Cancelled, nothing is left running."""
    preparing = asyncio.create_task(preparations.run())
    try:
        for group in groups:
            for stage in [group] if idle.is_certain else _in_turn(group):
                async with asyncio.TaskGroup() as lanes:
                    for lane in stage:
                        lanes.create_task(_run_lane(lane, preparations, display, idle))
    finally:
        preparing.cancel()
        await asyncio.gather(preparing, return_exceptions=True)


def _in_turn(group: Sequence[Sequence[Run]]) -> list[list[Sequence[Run]]]:
    """Return the lanes that give way to nobody, then the others, each alone."""
    first = [lane for lane in group if not lane[0].job.gives_way]
    return [first, *([lane] for lane in group if lane[0].job.gives_way)]


async def _run_lane(
    lane: Sequence[Run], preparations: Preparations, display: Display, idle: IdleTime
) -> None:
    for run in lane:
        await _run(run, preparations, display, idle)


async def _run(run: Run, preparations: Preparations, display: Display, idle: IdleTime) -> None:
    run.state, waiting_since = State.PREPARING, time.monotonic()
    lacking = await preparations.wait_for(run.job.needs)
    run.began = time.monotonic()
    run.waited = run.began - waiting_since
    if lacking is not None:
        run.problem = lacking.problem or lacking.left_out
        run.state = State.LEFT_OUT if lacking.problem is None else State.FAILED
        display.ended(run)
        return
    run.state = State.RUNNING
    display.changed(f"{run.job.name}: started")
    command = idle.command(run.job.command) if run.job.gives_way else run.job.command
    code = await run_logged(command, run.log, run.job.variables)
    run.seconds = time.monotonic() - run.began
    run.state = State.PASSED if code == 0 else State.FAILED
    display.ended(run)
