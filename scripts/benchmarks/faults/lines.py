"""Logs of one JSON object a line, each with the time of day, from any number of processes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class LineLog:
    """Writes a log. A line is in the file once `write` returns, whatever happens to its process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)

    def write(self, kind: str, **fields: Any) -> float:
        """Write one line; return its time, in seconds of Unix."""
        now = time.time()
        self._file.write(json.dumps({"at": round(now, 3), "kind": kind, **fields}).encode() + b"\n")
        return now

    def close(self) -> None:
        self._file.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read whole lines; one that was cut off in the middle is left out."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
