"""The programs that run beside the command: each with its output in a file, ended with the command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podline.machine_errors import explain_output
from podline_cli.errors import CommandError

START_SECONDS: Final = 60
_LAST_LINES: Final = 20
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class LocalProgram:
    """A running program, in a session of its own so that Ctrl-C reaches only the command."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    stop_seconds: float

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        variables: Mapping[str, str],
        log: Path,
        *,
        directory: Path,
        stop_seconds: float,
    ) -> LocalProgram:
        """Start it in a directory, with variables beside ours; it gets `stop_seconds` for its end."""
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=directory,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log, stop_seconds)

    async def until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is ready.

        Raises:
            CommandError: It ended, or was not ready in `START_SECONDS`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await is_ready():
                    if self.process.returncode is not None:
                        raise self.ended()
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise self._failed(f"was not ready in {START_SECONDS} s") from None

    def ended(self) -> CommandError:
        """Return the error of a program that ended by itself."""
        return self._failed(f"ended with status {self.process.returncode}")

    async def stop(self) -> None:
        """Ask it to end, and kill its process group if it has not ended in time."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.stop_seconds):
                await self.process.wait()
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    def _failed(self, how: str) -> CommandError:
        said = self.log.read_text(errors="replace")
        explained = explain_output(said)
        if explained is not None:
            return CommandError(explained)
        return CommandError(
            f"The {self.name} {how}; the end of its log {self.log} is above.",
            details="\n".join(said.splitlines()[-_LAST_LINES:]),
        )
