"""Steps under way: what is being done, for how long, and when it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

HEARTBEAT_SECONDS: Final = 30.0
"""Between two lines about the same step where nobody sees a clock run."""

WORTH_A_LINE_SECONDS: Final = 2.0


class StepUnderWay:
    """A step under way. `detail` says how far it is, such as "3 of 7"; it may be called from any thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.began = time.monotonic()
        self.detail_text = ""
        self._show: Callable[[str], None] = lambda _: None

    def detail(self, text: str) -> None:
        if text != self.detail_text:
            self.detail_text = text
            self._show(text)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began


@contextmanager
def step(name: str) -> Iterator[StepUnderWay]:
    """Show that something is being done, for how long, and when it is done.

    A terminal shows a clock; elsewhere there is a line at the beginning, one every half minute, and one
    at the end. `name` is like "Building the bot's image".
    """
    console = Console(stderr=True, highlight=False)
    under_way = StepUnderWay(name)
    with _on_terminal(console, under_way) if is_live(console) else _in_lines(console, under_way):
        yield under_way
    if is_live(console) or under_way.seconds >= WORTH_A_LINE_SECONDS:
        console.print(f"{name}: {under_way.seconds:.0f} s", markup=False, soft_wrap=True)


def is_live(console: Console) -> bool:
    """Whether a clock can be shown to run."""
    return console.is_terminal and not console.is_dumb_terminal


@contextmanager
def _on_terminal(console: Console, under_way: StepUnderWay) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task: TaskID = progress.add_task(under_way.name, total=None)
        under_way._show = lambda text: progress.update(task, description=f"{under_way.name} ({text})")  # noqa: SLF001
        yield


@contextmanager
def _in_lines(console: Console, under_way: StepUnderWay) -> Iterator[None]:
    console.print(f"{under_way.name} ...", markup=False, soft_wrap=True)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            detail = f", {under_way.detail_text}" if under_way.detail_text else ""
            console.print(f"{under_way.name}: {under_way.seconds:.0f} s so far{detail} ...", markup=False)

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        done.set()
        beating.join()
