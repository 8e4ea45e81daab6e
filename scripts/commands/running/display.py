"""What runs at once: a table that changes on a terminal, elsewhere a line for each change and a heartbeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from podline_cli.steps import HEARTBEAT_SECONDS, is_live
from scripts.commands.running.lanes import Run, State
from scripts.commands.running.preparing import Preparations, PreparedNeed

REFRESH_SECONDS: Final = 0.5
_WIDTH: Final = 110
_UNDER_WAY: Final = {State.PREPARING, State.RUNNING}


def make_console() -> Console:
    """Make a console for runs; one that is no terminal has a width that fits their table."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


class Screen:
    """Shows runs and preparations while they are under way, and what each said once it has ended."""

    def __init__(self, console: Console, runs: Sequence[Run]) -> None:
        self._console = console
        self._runs = runs
        self._began = time.monotonic()

    def changed(self, line: str) -> None:
        if not is_live(self._console):
            self._print(f"[{self._clock()}] {line}")

    def ended(self, run: Run) -> None:
        """Print what it said, between two lines that say how it ended."""
        if run.problem is not None:
            self._print(f"== {run.job.name}: {run.state}. {run.problem}")
            return
        said = run.said().rstrip()
        verdict = f"== {run.job.name}: {run.state} in {run.seconds:.0f} s"
        self._print("\n".join([verdict, said, verdict] if run.state is State.FAILED else [verdict, said]))

    @asynccontextmanager
    async def shown(self, preparations: Preparations) -> AsyncIterator[None]:
        showing = asyncio.create_task(
            self._refresh(preparations) if is_live(self._console) else self._beat(preparations)
        )
        try:
            yield
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _refresh(self, preparations: Preparations) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                live.update(self._state(preparations), refresh=True)
                await asyncio.sleep(REFRESH_SECONDS)

    async def _beat(self, preparations: Preparations) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            under_way = [f"{run.job.name} {run.how_far()}" for run in self._runs if run.state in _UNDER_WAY]
            if preparations.current is not None:
                under_way.append(f"preparing {preparations.current}")
            self._print(f"[{self._clock()}] {'; '.join(under_way)} ...")

    def _state(self, preparations: Preparations) -> Table:
        table = Table.grid(padding=(0, 2))
        for run in self._runs:
            table.add_row(run.job.name, run.how_far())
        if preparations.current is not None:
            table.add_row("preparing", preparations.current)
        table.add_row("in all", self._clock())
        return table

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes}:{seconds:02}"

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def timings(runs: Sequence[Run], prepared: Sequence[PreparedNeed], seconds: float) -> Table:
    """What took how long."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("What")
    table.add_column("Result")
    table.add_column("Waited s", justify="right")
    table.add_column("Took s", justify="right")
    for each in prepared:
        result = "left out" if each.left_out else "FAILED" if each.problem else "there"
        table.add_row(f"prepare {each.name}", result, "", f"{each.seconds:.0f}")
    for run in runs:
        table.add_row(run.job.name, str(run.state), f"{run.waited:.0f}", f"{run.seconds:.0f}")
    table.add_row("in all", "", "", f"{seconds:.0f}")
    return table
