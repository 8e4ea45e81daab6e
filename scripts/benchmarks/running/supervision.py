"""A program that is ended with everything it started, in whatever way it or we end.

This process adopts all orphans below it, so it finds programs that left their session or lost their parent.
If this process is killed, the program sees the end of its standard input and ends by itself.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from scripts.commands.console import CommandError

PATIENCE_SECONDS: Final = 20.0
"""How long a program may take to end what it started, before all that is left of it is killed."""

_SET_CHILD_SUBREAPER: Final = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""


def adopt_orphans() -> None:
    """Become the parent of every process below us whose own parent ends."""
    if sys.platform != "linux":
        raise CommandError("Benches read /proc and adopt processes as only Linux can: run them there.")
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise CommandError(f"This system lets nobody adopt processes ({os.strerror(ctypes.get_errno())}).")


def run_supervised(command: Sequence[str | Path], directory: Path, variables: Mapping[str, str]) -> int:
    """Run a program and return its exit code, once nothing that it started is left.

    The program gets a session of its own, so that Ctrl-C reaches only us. We ask it to end by closing its
    standard input.
    """
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=directory,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        _ask_to_end(process)
        kill_descendants()


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - asked for
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)


def kill_descendants() -> None:
    """Kill every process below this one, and return once none is left."""
    while pids := descendants(os.getpid()):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.01)


def descendants(ancestor: int) -> list[int]:
    """Return the processes below one, those that have ended and wait for their parent included."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found
