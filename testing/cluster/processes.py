"""The processes of a cluster: started with a log, watched until they answer, ended for sure."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path

import httpx

GUARDIAN = Path(__file__).parent / "guardian.py"
READY_SECONDS = 60.0
TERM_SECONDS = 1.0
"""How long a part may take to end before it is killed; the apiserver would drain for much longer."""

TAIL_LINES = 30


class ClusterProcessFailedError(Exception):
    """A part of the cluster did not come up, or ended by itself; shows the end of its log."""


class ClusterGuardian:
    """Ends our processes when we are killed; see guardian.py."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-S", GUARDIAN, directory],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        self._tell(f"+{pid}")

    def forget(self, pid: int) -> None:
        self._tell(f"-{pid}")

    async def leave(self) -> None:
        """Returns when all is dead and the directory is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.to_thread(self._process.wait)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class ClusterProcess:
    """One program of the cluster, which can be ended and started again with the same command.

    It belongs to no event loop, so that tests with loops of their own can share it.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        directory: Path,
        guardian: ClusterGuardian,
        name: str | None = None,
    ) -> None:
        """Prepare; its log is written to the directory. It is named for its program unless otherwise said."""
        self.command = list(command)
        self.name = name or Path(self.command[0]).name
        self.log = directory / f"{self.name}.log"
        self._guardian = guardian
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.runs:
            return
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the cluster's own commands
                self.command,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guardian.watch(self._process.pid)

    async def stop(self, patience: float = TERM_SECONDS) -> None:
        """Ask it to end and kill it when it has not; with no patience it is killed at once."""
        if self._process is None:
            return
        if patience:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, patience)
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        self._guardian.forget(self._process.pid)
        self._process = None

    def freeze(self) -> None:
        """Let it hold its connections and answer nothing, until it is thawed."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await is_ready():
            if not self.runs:
                raise ClusterProcessFailedError(f"{self.name} ended by itself:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ClusterProcessFailedError(
                    f"{self.name} is not ready after {READY_SECONDS:.0f} s:\n{self.tail()}"
                )
            await asyncio.sleep(0.05)  # seen from outside only

    def tail(self, lines: int = TAIL_LINES) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: int) -> None:
        if self.pid is not None:
            os.kill(self.pid, number)


async def stop_all(parts: Iterable[ClusterProcess]) -> None:
    await asyncio.gather(*(part.stop() for part in parts))


async def answers(url: str, context: ssl.SSLContext | None) -> bool:
    """Whether a health check says yes."""
    try:
        async with httpx.AsyncClient(verify=context or True, timeout=2) as client:
            return (await client.get(url)).status_code == 200
    except httpx.HTTPError:
        return False
