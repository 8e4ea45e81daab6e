"""A process that ends what we have started, should we be killed, and removes what was kept for it."""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

_CLOSE_SECONDS: Final = 5.0
"""How long after the grace period to wait for it. Only a suspended one takes that long."""


class Guard:
    """Runs the controller's program for that; `controller/runtimes/local/orphans.py` says what it does."""

    def __init__(self, process: asyncio.subprocess.Process, grace_seconds: float) -> None:
        self._process = process
        self._seconds = grace_seconds + _CLOSE_SECONDS

    @classmethod
    async def start(cls, directory: Path, grace_seconds: float) -> Self:
        """Start it.

        Args:
            directory: is removed at the end.
            grace_seconds: from SIGTERM to SIGKILL.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-IS", str(_program()), f"{grace_seconds:g}", str(directory)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            env={},
            start_new_session=True,
        )
        return cls(process, grace_seconds)

    def add(self, group: int) -> None:
        """Guard a process group."""
        self._write(f"+{group}\n")

    def remove(self, group: int) -> None:
        """Stop guarding a group whose processes have all ended."""
        self._write(f"-{group}\n")

    async def close(self) -> None:
        """Let it end what remains, then itself."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.close()
        try:
            async with asyncio.timeout(self._seconds):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101 - likewise
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())


def _program() -> Path:
    controller = find_spec("controller")
    assert controller is not None  # noqa: S101 - the command has checked what is installed
    assert controller.origin is not None  # noqa: S101 - a package with a file
    return Path(controller.origin).parent / "runtimes" / "local" / "orphans.py"
