"""`podline serve` as a process of its own, to be killed at any moment and started again."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx

from testing.builds.checkouts import OURS, Checkout
from testing.cluster.site import SECRET, until_ready
from testing.processes import free_port

SERVE: Final = "controller.__main__"


class ControllerProcess:
    """One controller after another, on the same port, over the same namespace."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        template: Path,
        *,
        module: str = SERVE,
        **settings: str,
    ) -> None:
        """`module` serves it."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.bots_port = free_port()
        self.url_for_bots = f"http://127.0.0.1:{self.bots_port}"
        self.starts = 0
        self._directory = template.parent
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        own = {
            "PODLINE_RUNTIME": "kubernetes",
            "PODLINE_PORT": str(self.port),
            "PODLINE_NAMESPACE": namespace,
            "PODLINE_JOB_TEMPLATE": str(template),
            "PODLINE_BOTS_PORT": str(self.bots_port),
            "PODLINE_CONTROLLER_URL": self.url_for_bots,
            "PODLINE_SECRET": SECRET,
            "KUBECONFIG": str(kubeconfig),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PODLINE_")}
        self._environment = {**inherited, **own, **settings}

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def log(self) -> Path:
        return self._directory / "controller.log"

    async def start(self, checkout: Checkout = OURS) -> None:
        """Start the controller of this checkout."""
        self.starts += 1
        command = (checkout.python, "-m", self._module, "serve")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env={**self._environment, **checkout.variables},
                cwd=checkout.tree,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        async with httpx.AsyncClient(
            base_url=self.url, transport=httpx.AsyncHTTPTransport(retries=100)
        ) as client:
            await until_ready(client)

    def send_signal(self, how: int) -> None:
        """Send it a signal, such as one that stops it without ending it."""
        if self._process is not None:
            self._process.send_signal(how)

    async def ended(self) -> int:
        """Wait until it has ended by itself. Return its exit code."""
        process, self._process = self._process, None
        if process is None:
            raise RuntimeError("it does not run")
        return await process.wait()

    async def end(self, how: int = signal.SIGKILL) -> int | None:
        """Kill it, or ask it to leave. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        # A former leader may have ended by itself.
        with suppress(ProcessLookupError):
            process.send_signal(how)
        return await process.wait()
