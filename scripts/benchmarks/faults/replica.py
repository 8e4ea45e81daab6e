"""One controller as a process, with an API server of its own to break, started again whenever it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from scripts.benchmarks.faults.lines import LineLog
from scripts.benchmarks.faults.service import Backend
from testing.cluster.fault_proxy import FaultProxy
from testing.processes import ROOT, free_port

ENTRY: Final = "testing.cluster.clock_shift"
RESTART_SECONDS: Final = 1.0
"""A kubelet starts a container again about a second after its first end."""


class KeptReplica:
    """Keeps one controller running while its `async with` lasts; `hold` keeps it from being started again."""

    def __init__(
        self,
        backend: Backend,
        user: str,
        proxy: FaultProxy,
        settings: Mapping[str, str],
        log: LineLog,
        directory: Path,
    ) -> None:
        """`user` is whom the API server knows it by."""
        self.backend = backend
        self.user = user
        self.proxy = proxy
        self.replicas_port = free_port()
        self.output = directory / f"{backend.name}.log"
        self.on_end: Callable[[], None] = lambda: None
        self.unexpected_ends: list[int] = []
        self._log = log
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._was_asked = False
        own = {
            "KUBECONFIG": str(proxy.kubeconfig),
            "PODLINE_PORT": str(backend.callers_port),
            "PODLINE_BOTS_PORT": str(backend.bots_port),
            "HOSTNAME": backend.name,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PODLINE_")}
        self._environment = {**inherited, "PYTHONPATH": str(ROOT), **settings, **own}

    def among_others(self) -> None:
        """Let it know that there are other replicas."""
        self._environment["PODLINE_REPLICA_ADDRESS"] = "127.0.0.1"
        self._environment["PODLINE_REPLICAS_PORT"] = str(self.replicas_port)

    @property
    def name(self) -> str:
        return self.backend.name

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def __aenter__(self) -> Self:
        self._keeping = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the process, if one runs."""
        self._was_asked = self._was_asked or number in (signal.SIGKILL, signal.SIGTERM)
        if self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def hold(self) -> None:
        """Start none until `release`."""
        self._may_run.clear()

    def release(self) -> None:
        self._may_run.set()

    async def _keep(self) -> None:
        while True:
            await self._may_run.wait()
            self._was_asked = False
            with self.output.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", ENTRY),
                    env=self._environment,
                    cwd=self.output.parent,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            self._log.write("controller", what="started", replica=self.name, pid=self._process.pid)
            code = await self._process.wait()
            self.on_end()
            self._log.write(
                "controller", what="ended", replica=self.name, pid=self._process.pid, code=code,
                was_asked=self._was_asked,
            )  # fmt: skip
            if not self._was_asked:
                self.unexpected_ends.append(code)
            await asyncio.sleep(RESTART_SECONDS)
