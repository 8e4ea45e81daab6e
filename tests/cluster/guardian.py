"""Outlives the process that started it by a moment: kills what it left behind and removes its directory.

It reads lines `+PID` and `-PID` from its standard input, which ends when its parent is gone, in whatever way.
"""

import contextlib
import os
import shutil
import signal
import sys


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
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
