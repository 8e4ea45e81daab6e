"""One program with its output in a file, ended with all that it has started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from podline_cli.local.descendants import children, descendants, has_ended, kill_process
from scripts.commands.programs import ROOT

INTERRUPTED_SECONDS: Final = 30.0
"""What tests get after Ctrl-C to end the programs that they have started."""

CLEANING_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.05

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
        kill_process(each)
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


async def collect_orphans() -> None:
    """Collect what we adopted and has ended, until cancelled, as the system's first process would.

    Until it is collected, a process that has ended looks alive to those who ask the kernel for its number.
    """
    while True:
        for each in children(os.getpid()):
            if each not in _started and has_ended(each):
                with suppress(ChildProcessError):
                    os.waitpid(each, os.WNOHANG)  # noqa: ASYNC222 - returns at once
        await asyncio.sleep(POLL_SECONDS)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
