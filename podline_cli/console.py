"""What a command shows: text at a terminal, tab-separated lines in a pipe, or JSON.

Standard output has only what was asked for; everything else goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from podline_cli.durations import clock, rfc3339, span, utc_now
from podline_cli.steps import StepUnderWay, is_live, step
from podline_cli.text import cell

_COLOURS: Final = {
    "starting": "yellow",
    "live": "green",
    "stopping": "yellow",
    "ended": "dim",
    "failed": "red",
    "ready": "green",
    "deploying": "yellow",
    "invalid": "red",
}


_WIDEST: Final = 10_000
_NARROWEST_SENTENCE: Final = 30


class OutputFormat(StrEnum):
    """How a command answers."""

    TEXT = "text"
    JSON = "json"


class Output:
    """Where a command writes its answer and what it says beside it."""

    def __init__(self, form: OutputFormat = OutputFormat.TEXT) -> None:
        self.is_json = form is OutputFormat.JSON
        has_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
        self.is_pretty = has_terminal and not self.is_json
        self.console = Console(highlight=False, markup=False, emoji=False)
        self.errors = Console(stderr=True, highlight=False, markup=False, emoji=False)

    def json(self, value: Any, *, indent: int | None = 2) -> None:
        """Write a value as JSON, without anything that a terminal would act upon."""
        is_unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        text = json.dumps(value, ensure_ascii=not is_unicode, indent=indent)
        plain = text.replace("\n", "")
        if not plain.isprintable():
            text = "".join(each if each == "\n" or each.isprintable() else _as_escape(each) for each in text)
        self.line(text)

    def line(self, text: str) -> None:
        """Write plain text that is known to be safe."""
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def show(self, renderable: RenderableType) -> None:
        """Draw something at the terminal."""
        self.console.print(renderable)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table; a title that begins with `>` belongs to a column of numbers."""
        if not self.is_pretty:
            for row in ([title.removeprefix(">") for title in columns], *rows):
                self.line("\t".join(map(cell, row)))
            return
        table = _table(columns, [*rows])
        # A terminal that is too narrow breaks the lines itself: ids can still be copied whole.
        wide = self.console.options.update(width=_WIDEST)
        width = max(self.console.width, Measurement.get(self.console, wide, table).minimum)
        Console(highlight=False, markup=False, emoji=False, width=width).print(table)

    def fact(self, name: str, value: str) -> None:
        """Write a named value."""
        if self.is_pretty:
            self.console.print(Text.assemble((f"{name:12} ", "dim"), (value, _COLOURS.get(value, ""))))
        else:
            self.line(f"{cell(name)}\t{cell(value)}")

    def moment(self, moment: datetime | None) -> str:
        """Return a moment as the reader wants it, a person or a program; empty if there is none."""
        if moment is None:
            return ""
        return clock(moment, utc_now()) if self.is_pretty else rfc3339(moment)

    def span(self, seconds: float) -> str:
        """Return a span of time likewise."""
        return span(seconds) if self.is_pretty else f"{seconds:.1f}"

    def note(self, text: str, style: str = "") -> None:
        """Say something beside the answer."""
        self.errors.print(Text(text, style=style), soft_wrap=True)

    def warn(self, text: str) -> None:
        self.note(f"Warning: {text}", "yellow")

    @contextmanager
    def step(self, name: str) -> Iterator[StepUnderWay]:
        """Show that something is being done; only a terminal gets a spinner and a clock."""
        if is_live(self.errors):
            with step(name) as under_way:
                yield under_way
        else:
            yield StepUnderWay(name)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Return a table without columns that would be empty. Only what is in its last column is broken."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    filled = [number for number in range(len(columns)) if not rows or any(row[number] for row in rows)]
    for number in filled:
        title = columns[number].removeprefix(">")
        widest = max(cell_len(text) for text in (title, *(row[number] for row in rows)))
        is_last = number == len(columns) - 1
        table.add_column(
            title,
            justify="right" if columns[number].startswith(">") else "left",
            overflow="fold",
            no_wrap=not is_last,
            min_width=min(widest, _NARROWEST_SENTENCE) if is_last else widest,
        )
    for row in rows:
        table.add_row(*(Text(row[number], style=_COLOURS.get(row[number], "")) for number in filled))
    return table


def _as_escape(character: str) -> str:
    """Return a character as in a string of JSON."""
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"
