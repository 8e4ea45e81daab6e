"""A process beside the controller that outlives it for as long as it takes to end its bots."""

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
"""Only a guardian that is stopped takes this long beyond the grace period."""


class Guardian:
    """Knows the process groups of all bots, through a pipe that only the controller holds open.

    The pipe outlives each guardian process: what is written while one is replaced waits for its successor.
    """

    def __init__(self, directory: Path, grace_seconds: float, program: tuple[str, ...] = PROGRAM) -> None:
        """Open the pipe; no process is started.

        Args:
            directory: where bots work; goes with the controller.
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
        """Whether bots may be launched: a guardian is there, or on its way."""
        return not self._failed

    async def run(self) -> None:
        """Keep a guardian process for as long as this is awaited; one that is killed gets a successor."""
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
        """Guard a process group. Again is harmless."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Forget a group that has no members any more."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    async def close(self) -> None:
        """Let the guardian go; it ends what is left first."""
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
            # Bots can read what stands there, and it needs nothing.
            env={},
            # A group of its own, so that a Ctrl-C in the terminal is not for it.
            start_new_session=True,
        )
        for group in self._groups:
            self._tell(f"+{group}\n")

    async def _wait(self) -> None:
        assert self._process is not None  # noqa: S101 - has just been started
        await self._process.wait()
        self._process = None

    def _tell(self, line: str) -> None:
        try:
            os.write(self.entrance, line.encode())
        except BlockingIOError:
            # Nobody reads. A successor is told everything again.
            if self._process is not None:
                self._process.kill()
