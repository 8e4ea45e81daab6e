"""One program with its output in a file, ended with all that it has started."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from scripts.commands.programs import ROOT

INTERRUPTED_SECONDS: Final = 30.0
"""What tests get after Ctrl-C to end the programs that they have started."""

CLEANING_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05
_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h

_started: Final[set[int]] = set()
"""Our own programs that nobody has collected. The kernel has one list of children for a whole process."""


class RunLogged(Protocol):
    """Runs a program as `run_logged` does."""

    async def __call__(
        self, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
    ) -> int: ...


async def run_logged(command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> int:
    """Run a program, with what it says added to the log, and return its exit code; ended when cancelled."""
    with log.open("ab") as output:
        # Not asyncio's own, whose start can be cancelled when the program already runs.
        process = subprocess.Popen(  # noqa: ASYNC220
            command,
            cwd=ROOT,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.add(process.pid)
    try:
        return await _wait(process)
    except asyncio.CancelledError:
        await _end(process)
        raise
    finally:
        _started.discard(process.pid)


async def _wait(process: subprocess.Popen[bytes]) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110 - a process sets no event
        await asyncio.sleep(POLL_SECONDS)
    return code


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt its group as Ctrl-C does, so that tests clean up; then kill what is left, the leader last."""
    _signal_group(process.pid, signal.SIGINT)
    if await _ends_within(process, INTERRUPTED_SECONDS):
        _signal_group(process.pid, signal.SIGKILL)
        return
    # The leader may be a script that removes what the others have left.
    for each in descendants(process.pid):
        _kill(each)
    if not await _ends_within(process, CLEANING_SECONDS):
        _signal_group(process.pid, signal.SIGKILL)
        await _wait(process)


async def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await _wait(process)
    except TimeoutError:
        return False
    return True


def adopt_orphans() -> None:
    """Become the parent of what programs leave behind (Linux), so that `end_orphans` finds it."""
    _set_subreaper(1)


def _set_subreaper(flag: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, flag, 0, 0, 0)


async def collect_orphans() -> None:
    """Collect what we adopted and has ended, until cancelled, as the system's first process would.

    Until it is collected, a process that has ended looks alive to those who ask the kernel for its number.
    """
    while True:
        for each in _children(os.getpid()):
            if each not in _started and has_ended(each):
                with suppress(ChildProcessError):
                    os.waitpid(each, os.WNOHANG)  # noqa: ASYNC222 - returns at once
        await asyncio.sleep(POLL_SECONDS)


def end_orphans() -> None:
    """Kill every process below this one, including those that lose their parents meanwhile; adopt no more."""
    while found := descendants(os.getpid()):
        for each in found:
            _kill(each)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(POLL_SECONDS)
    _set_subreaper(0)


def descendants(pid: int) -> list[int]:
    """The processes below one, children first; without those that have ended and wait to be collected."""
    found = [each for each in _children(pid) if not has_ended(each)]
    return found + [below for each in found for below in descendants(each)]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(each) for each in children.read_text().split()]
    return found


def has_ended(pid: int) -> bool:
    """Whether there is no such process, or only what is left of one until somebody collects it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except OSError:
        return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
