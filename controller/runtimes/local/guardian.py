"""A process beside the controller that outlives it just long enough to end its bots."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from typing import Final

log = logging.getLogger("podline.runtimes.guardian")

PROGRAM: Final = (sys.executable, "-IS", str(Path(__file__).with_name("orphans.py")))

_PAUSE_SECONDS: Final = 0.2
_CLOSE_SECONDS: Final = 5.0
"""How long after the grace period to wait. Only a suspended guardian takes that long."""


class Guardian:
    """Passes the process groups of all bots on to the guardian process, through a pipe.

    Only the controller holds the pipe open. It outlives each guardian process: what is written while one is
    replaced waits for its successor.
    """

    def __init__(self, directory: Path, grace_seconds: float, program: tuple[str, ...] = PROGRAM) -> None:
        """Open the pipe. No process is started yet.

        Args:
            directory: where bots work. It is removed with the controller.
            grace_seconds: from SIGTERM to SIGKILL.
            program: see `controller/runtimes/local/orphans.py`.
        """
        self._command = (*program, f"{grace_seconds:g}", str(directory))
        self._reading, self.entrance = os.pipe()
        os.set_blocking(self.entrance, False)
        self._close_seconds = grace_seconds + _CLOSE_SECONDS
        self._groups: set[int] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._failed = False

    @property
    def is_able(self) -> bool:
        """Whether bots may be launched: a guardian is running or being started."""
        return not self._failed

    async def run(self) -> None:
        """Keep a guardian process running for as long as this is awaited. A killed one is replaced."""
        while True:
            try:
                await self._start()
            except OSError as error:
                self._failed = True
                log.error("guardian not started", extra={"error": error.strerror})  # noqa: TRY400 - no bug
            else:
                self._failed = False
                await self._wait()
                log.warning("guardian lost, another is started")
            await asyncio.sleep(_PAUSE_SECONDS)

    def add(self, group: int) -> None:
        """Guard a process group. Repeating it is harmless."""
        self._groups.add(group)
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Stop guarding a group whose processes have all ended."""
        self._groups.discard(group)
        self._write(f"-{group}\n")

    async def close(self) -> None:
        """Let the guardian end the remaining bots, then itself."""
        os.close(self.entrance)
        os.close(self._reading)
        if self._process is None:
            return
        try:
            async with asyncio.timeout(self._close_seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=self._reading,
            stdout=asyncio.subprocess.DEVNULL,
            # Bots can read it, and the guardian needs nothing from it.
            env={},
            # A group of its own, so that a Ctrl-C in the terminal doesn't reach it.
            start_new_session=True,
        )
        for group in self._groups:
            self._write(f"+{group}\n")

    async def _wait(self) -> None:
        assert self._process is not None  # noqa: S101 - it has just been started
        await self._process.wait()
        self._process = None

    def _write(self, line: str) -> None:
        try:
            os.write(self.entrance, line.encode())
        except BlockingIOError:
            # The pipe is full because this guardian does not read. Its successor gets every group again.
            if self._process is not None:
                self._process.kill()
