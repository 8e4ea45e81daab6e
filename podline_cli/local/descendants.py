"""The processes below this one, also those that have lost their parents (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_POLL_SECONDS: Final = 0.05
_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h


def adopt_orphans() -> None:
    """Become the parent of what programs leave behind (Linux), so that `end_orphans` finds it."""
    _set_subreaper(1)


def end_orphans() -> None:
    """Kill every process below this one, including those that lose their parents meanwhile; adopt no more."""
    while found := descendants(os.getpid()):
        for each in found:
            kill_process(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_POLL_SECONDS)
    _set_subreaper(0)


def descendants(pid: int) -> list[int]:
    """Return the processes below one that have not ended, children first."""
    found = [each for each in children(pid) if not has_ended(each)]
    return found + [below for each in found for below in descendants(each)]


def children(pid: int) -> list[int]:
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(number) for number in each.read_text().split()]
    return found


def has_ended(pid: int) -> bool:
    """Return whether there is no such process, or only what is left of one until somebody collects it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except OSError:
        return True


def kill_process(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _set_subreaper(flag: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, flag, 0, 0, 0)
