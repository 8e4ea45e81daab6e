"""The guardian's program, which ends the bots of a controller that was killed.

    python orphans.py GRACE_SECONDS DIRECTORY < PIPE

It reads lines `+GROUP` and `-GROUP` from the pipe until the other end is closed, which means that the
controller is gone. The remaining process groups then get SIGTERM, and SIGKILL after the grace period, and the
directory in which they worked is removed. It uses only the standard library, so that it starts at once and
stays small.
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
    # It ends after the controller and not before, whatever signal ended the controller.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    grace_seconds, directory = float(sys.argv[1]), sys.argv[2]
    end(left_behind(sys.stdin), grace_seconds)
    shutil.rmtree(directory, ignore_errors=True)


def left_behind(lines: Iterable[str]) -> set[int]:
    """Return the groups that were added and not removed. A former guardian may have read part of a line."""
    groups: set[int] = set()
    for line in lines:
        if match := _LINE.fullmatch(line):
            group = int(match[2])
            (groups.add if match[1] == "+" else groups.discard)(group)
    # Signalling group 0 or 1 would signal ourselves or every process.
    return {group for group in groups if group > 1}


def end(groups: Iterable[int], grace_seconds: float) -> None:
    """Terminate groups, and kill those that still exist after the grace period."""
    deadline = time.monotonic() + grace_seconds
    remaining = {group for group in groups if _signal(group, signal.SIGTERM)}
    for group in remaining:
        # A stopped process handles no signal until it is continued.
        _signal(group, signal.SIGCONT)
    while remaining and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        remaining = {group for group in remaining if _signal(group, 0)}
    for group in remaining:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Send a signal. Return whether the group has a process that can receive it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        # macOS answers that a group of dead processes may not be signalled.
        return False
    return True


if __name__ == "__main__":
    main()
