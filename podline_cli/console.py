"""What a command shows: text at a terminal, tab-separated lines in a pipe, or JSON.

Standard output has only what was asked for; everything else goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

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
        titles = [title.removeprefix(">") for title in columns]
        if not self.is_pretty:
            for row in (titles, *rows):
                self.line("\t".join(map(cell, row)))
            return
        table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
        for title, column in zip(titles, columns, strict=True):
            table.add_column(title, justify="right" if column.startswith(">") else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(text, style=_COLOURS.get(text, "")) for text in row))
        self.show(table)

    def fact(self, name: str, value: str) -> None:
        """Write a named value."""
        if self.is_pretty:
            self.console.print(Text.assemble((f"{name:12} ", "dim"), (value, _COLOURS.get(value, ""))))
        else:
            self.line(f"{cell(name)}\t{cell(value)}")

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


def _as_escape(character: str) -> str:
    """Return a character as in a string of JSON."""
    return json.dumps(character)[1:-1] if ord(character) != 0x7F else "\\u007f"
