"""The guardian's program: ends the bots that a controller leaves behind when it is killed.

    python orphans.py GRACE_SECONDS DIRECTORY < PIPE

It reads lines `+GROUP` and `-GROUP` from the pipe until nobody holds its other end any more, which is when
the controller is gone. The process groups that are left then get SIGTERM, and SIGKILL after the grace period;
and the directory in which they worked is removed. Standard library only, so that it starts at once and stays
small.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from typing import Final

_LOOK_SECONDS: Final = 0.05
_LINE: Final = re.compile(r"([+-])(\d+)\n")


def main() -> None:
    # It ends when the controller has ended, whatever signal made that end, and not before.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    grace_seconds, directory = float(sys.argv[1]), sys.argv[2]
    dismiss(left_behind(sys.stdin), grace_seconds)
    shutil.rmtree(directory, ignore_errors=True)


def left_behind(lines: Iterable[str]) -> set[int]:
    """The groups that came and did not go. What is no whole line was begun by another guardian's reading."""
    groups: set[int] = set()
    for line in lines:
        if match := _LINE.fullmatch(line):
            group = int(match[2])
            (groups.add if match[1] == "+" else groups.discard)(group)
    # To signal group 0 or 1 would be to signal ourselves or everybody.
    return {group for group in groups if group > 1}


def dismiss(groups: Iterable[int], grace_seconds: float) -> None:
    """Ask groups to leave, and kill those that are still there after the grace period."""
    deadline = time.monotonic() + grace_seconds
    remaining = {group for group in groups if _signal(group, signal.SIGTERM)}
    for group in remaining:
        # A stopped process takes no signal before it goes on.
        _signal(group, signal.SIGCONT)
    while remaining and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        remaining = {group for group in remaining if _signal(group, 0)}
    for group in remaining:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Send a signal; returns whether anybody is there to take it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS tells of a group of dead processes that it may not be signalled.
        return False
    return True


if __name__ == "__main__":
    main()
