"""Tables of medians and spread, as text for a terminal and as Markdown for the documentation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scripts.benchmarks.running.results import Results

SPREAD: Final = (
    "Medians, with the 5th and 95th percentile: of fewer than 20 values, the lowest and the highest."
)
NOTHING: Final = ""


@dataclass(frozen=True)
class Unit:
    """How a value is written.

    Attributes:
        name: What stands after the number.
        factor: What the value is multiplied by.
        digits: How many stand behind the point.
    """

    name: str
    factor: float = 1.0
    digits: int = 0

    def write(self, value: float, sign: str = "") -> str:
        return f"{value * self.factor:{sign},.{self.digits}f}"


MILLISECONDS: Final = Unit("ms", 1000)
FINE_MILLISECONDS: Final = Unit("ms", 1000, 2)
MICROSECONDS: Final = Unit("µs", 1e6)
SECONDS: Final = Unit("s", 1, 2)
A_SECOND: Final = Unit("/s")
CORES: Final = Unit("cores", 1, 3)
MEGABYTES: Final = Unit("MB", 1, 1)
KILOBYTES: Final = Unit("KB", 1, 1)
SHARE: Final = Unit("%", 100, 2)
NUMBER: Final = Unit("")


@dataclass(frozen=True)
class Comparison:
    """One contender beside another: the median of what each round's two values make."""

    one: str
    other: str
    is_ratio: bool = False

    def write(self, results: Results, figure: Figure) -> str:
        pairs = list(
            zip(results.of(figure.name, self.one), results.of(figure.name, self.other), strict=False)
        )
        if not pairs:
            return NOTHING
        if self.is_ratio:
            return (
                f"{self.one} / {self.other}: {spread([one / other for one, other in pairs], Unit('', 1, 2))}"
            )
        differences = [one - other for one, other in pairs]
        return f"{self.one} - {self.other}: {spread(differences, figure.unit, '+')}"


@dataclass(frozen=True)
class Figure:
    """One row of a table.

    Attributes:
        name: What is measured.
        unit: Of its values.
        comparisons: Which contenders are compared.
        target: What it should be; empty if nothing was decided.
        summarize: Makes a cell of the values; by default median and spread.
    """

    name: str
    unit: Unit
    comparisons: tuple[Comparison, ...] = ()
    target: str = ""
    summarize: Callable[[Sequence[float], Unit], str] | None = None

    def cell(self, values: Sequence[float]) -> str:
        if not values:
            return NOTHING
        return (self.summarize or spread)(values, self.unit)


@dataclass(frozen=True)
class Table:
    """Headings and rows of cells, all as long as the headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.headings))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def markdown(self) -> str:
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in (self.headings, *self.rows)]
        heading, *rows = [f"| {' | '.join(row)} |" for row in escaped]
        return "\n".join([heading, f"|{'---|' * len(self.headings)}", *rows])


def table_of(results: Results, figures: Sequence[Figure]) -> Table:
    """Return a row for each figure that was measured, and a column for each contender."""
    measured = [figure for figure in figures if results.samples.get(figure.name)]
    contenders = list(dict.fromkeys(of for figure in measured for of in results.samples[figure.name]))
    rows = [
        [
            figure.name,
            *(figure.cell(results.of(figure.name, of)) for of in contenders),
            "; ".join(filter(None, (each.write(results, figure) for each in figure.comparisons))),
            figure.target,
        ]
        for figure in measured
    ]
    return without_empty_columns(Table(["", *contenders, "compared by round", "target"], rows))


def without_empty_columns(table: Table) -> Table:
    """Leave out columns that say nothing, the first excepted."""
    kept = [
        column
        for column in range(len(table.headings))
        if column == 0 or any(row[column] for row in table.rows)
    ]
    return Table(
        [table.headings[each] for each in kept], [[row[each] for each in kept] for row in table.rows]
    )


def spread(values: Sequence[float], unit: Unit, sign: str = "") -> str:
    """Write the median and, if there are several values, the 5th and 95th percentile."""
    middle = unit.write(statistics.median(values), sign)
    name = f" {unit.name}" if unit.name else ""
    if len(values) == 1:
        return f"{middle}{name}"
    low, high = unit.write(percentile(values, 0.05), sign), unit.write(percentile(values, 0.95), sign)
    return f"{middle}{name} ({low} to {high})"


def worst(values: Sequence[float], unit: Unit) -> str:
    """Write the 50th and the 99th percentile and the highest value."""
    numbers = (percentile(values, 0.5), percentile(values, 0.99), max(values))
    middle, most, highest = (unit.write(each) for each in numbers)
    return f"{middle} {unit.name} (p99 {most}, highest {highest}, of {len(values)})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the lowest value that at least this share of all values does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]
