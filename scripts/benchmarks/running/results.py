"""The results of one bench: written line by line as they are measured, and read back for tables."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Self

from podline_cli.errors import CommandError
from testing.processes import ROOT

COMPLETE: Final = "complete"
_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True)
class Header:
    """What the figures hold for.

    Attributes:
        bench: The bench's name.
        date: When it began, in UTC.
        commit: The checkout's, and whether it has changes.
        machine: Cores, operating system, Python and Pipecat.
        count: How many calls, starts or inputs were asked for.
        unit: Which of these.
        options: The bench's other options.
    """

    bench: str
    date: str
    commit: str
    machine: str
    count: int
    unit: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = "".join(f", {name} {value}" for name, value in self.options.items())
        what = f"{self.bench}, {self.count:,} {self.unit}{options}"
        return f"{what}: {self.date}, commit {self.commit}, {self.machine}"


@dataclass(frozen=True)
class Results:
    """What a file holds, from a bench that is done or not.

    Attributes:
        header: The file's first line.
        samples: Values by figure, then by contender, in the order in which they were measured.
        rows: Facts that are no numbers, in that order.
        end: `complete`, or why there is no more; empty if the bench was killed.
    """

    header: Header
    samples: Mapping[str, Mapping[str, list[float]]]
    rows: list[dict[str, Any]]
    end: str

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file. A line that was cut off in the middle is left out."""
        first, *lines = _whole_lines(file)
        samples: dict[str, dict[str, list[float]]] = {}
        rows: list[dict[str, Any]] = []
        end = ""
        for line in lines:
            match line:
                case {"figure": figure, "of": of, "value": value}:
                    samples.setdefault(figure, {}).setdefault(of, []).append(value)
                case {"end": text}:
                    end = text
                case _:
                    rows.append(line)
        return cls(Header(**first), samples, rows, end)

    def of(self, figure: str, contender: str) -> list[float]:
        """Return the values of one figure; none if it was not measured."""
        return self.samples.get(figure, {}).get(contender, [])


def _whole_lines(file: Path) -> Iterator[dict[str, Any]]:
    *whole, _ = file.read_text(encoding="utf-8").split("\n")
    return map(json.loads, whole)


class ResultsFile:
    """Writes results. Each line is on the disk before the next is measured."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Make the folder and the file, and write the header."""
        stamp = header.date.replace(":", ".").replace(" ", "T")
        self.path = folder / f"{header.bench}.{stamp}{_SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.write_text("", encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"Results can't be written to {folder} ({error.strerror}): name another folder by --results."
            ) from None
        self._write(vars(header))

    def sample(self, figure: str, of: str, value: float) -> None:
        """Write one value, in seconds, megabytes, cores or a plain number."""
        self._write({"figure": figure, "of": of, "value": value})

    def row(self, **facts: Any) -> None:
        """Write facts that are no numbers."""
        self._write(facts)

    def end(self, how: str) -> None:
        """Write why there is no more."""
        self._write({"end": how})

    def _write(self, line: Mapping[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def newest(folder: Path, bench: str) -> Results | None:
    """Return the newest results of a bench that was complete; None if there are none."""
    for file in sorted(folder.glob(f"{bench}.*{_SUFFIX}"), reverse=True):
        results = Results.read(file)
        if results.end == COMPLETE:
            return results
    return None


def make_header(bench: str, count: int, unit: str, options: Mapping[str, Any]) -> Header:
    """Describe this moment, checkout and machine."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return Header(bench, date, _commit(), machine(), count, unit, options)


def machine() -> str:
    """Return what the figures depend on besides our code."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores, {platform.system()} {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()}, Pipecat {version('pipecat-ai')}"
    )


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    return f"{commit} with changes" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*arguments: str) -> str:
    found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""
