"""What a bench gets: where to work, where to write results, and how to say how far it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.running.results import ResultsFile

LINE_SECONDS: Final = 10.0
"""Between two lines about progress where they are not shown in place of each other."""


class BenchProgress:
    """Says how far a bench is and how much time remains: in one line on a terminal, else in a few."""

    def __init__(self, bench: str, write: Callable[[str], object], *, is_terminal: bool) -> None:
        self._bench = bench
        self._write = write
        self._is_terminal = is_terminal
        self._began = time.monotonic()
        self._total = self._number = self._first = 0
        self._since = self._began
        self._said_at: float | None = None

    @classmethod
    def to_standard_error(cls, bench: str) -> BenchProgress:
        def write(text: str) -> None:
            sys.stderr.write(text)
            sys.stderr.flush()

        return cls(bench, write, is_terminal=sys.stderr.isatty())

    def doing(self, what: str) -> None:
        """Say what is being prepared, which has no number."""
        self._say(what, is_due=True)

    def at(self, number: int, total: int, what: str) -> None:
        """Say that this one of so many begins."""
        now = time.monotonic()
        if total != self._total or number <= self._number:
            self._first, self._since = number, now
        self._total, self._number = total, number
        done = number - self._first
        if number < 1:
            self._say("warming up", is_due=self._said_at is None)
            return
        remains = f", about {clock((now - self._since) / done * (total - number + 1))} remain" if done else ""
        is_due = self._said_at is None or now - self._said_at >= LINE_SECONDS or number in (1, total)
        self._say(f"{what} {number} of {total}{remains}", is_due=is_due)

    def close(self) -> None:
        """Leave the line to what is printed next."""
        if self._is_terminal:
            self._write("\r\x1b[K")

    def _say(self, text: str, *, is_due: bool) -> None:
        line = f"{self._bench}, {clock(time.monotonic() - self._began)}: {text}"
        if self._is_terminal:
            self._write(f"\r\x1b[K{line}")
        elif is_due:
            self._said_at = time.monotonic()
            self._write(f"{line}\n")


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


@dataclass
class BenchRun:
    """One run of one bench.

    Attributes:
        directory: Where its programs work; it is removed afterwards.
        results: Takes what is measured.
        progress: Shows how far it is.
        count: How many rounds, calls, starts or inputs.
        is_small: True if it only has to show that it works.
        seed: Makes the same random choices again.
        subject: The revision or the checkout that the bench is about; empty if it takes none.
        options: Those that only some benches have, by name, as far as they were given.
        faults: What must not be and was found. A bench with a fault fails.
    """

    directory: Path
    results: ResultsFile
    progress: BenchProgress
    count: int
    is_small: bool = False
    seed: int = 0
    subject: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def rounds(self, warm_ups: int = 1) -> Sequence[int]:
        """Return the numbers of the rounds. Those up to 0 only warm up; a small run has none of them."""
        return range(1 if self.is_small else 1 - warm_ups, self.count + 1)

    def sample(self, number: int, figure: str, of: str, value: float) -> None:
        """Write one value, unless its round only warms up."""
        if number > 0:
            self.results.sample(figure, of, value)
