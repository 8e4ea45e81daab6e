"""Outlives the process that started it by a moment: kills what it left behind and removes its directory.

It reads lines `+PID` and `-PID` from its standard input, which ends when its parent is gone, in whatever way.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

REMOVING_SECONDS = 5


def main() -> None:
    left_behind: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "+":
            left_behind.add(pid)
        else:
            left_behind.discard(pid)
    for pid in left_behind:
        with contextlib.suppress(ProcessLookupError):
            # Each leads a group of its own.
            os.killpg(pid, signal.SIGKILL)
    remove(Path(sys.argv[1]))


def remove(directory: Path) -> None:
    """What was killed a moment ago may still be writing into it."""
    deadline = time.monotonic() + REMOVING_SECONDS
    while directory.exists() and time.monotonic() < deadline:
        shutil.rmtree(directory, ignore_errors=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main()
