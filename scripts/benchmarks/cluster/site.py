"""A control plane whose busy parts rest, namespaces in it, and controllers as processes of their own."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from scripts.benchmarks.cluster import made
from scripts.benchmarks.cluster.raw import ApiAccess, Raw
from testing.builds.binaries import ensure_binaries
from testing.cluster.control_plane import ControlPlane
from testing.processes import Program, free_port

READY_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.02
"""How often it is asked whether a controller is ready: what it costs is below a hundredth of a core."""


@dataclass
class MeasuredCluster:
    """A control plane of API server and etcd alone, so that nobody else takes the two cores."""

    plane: ControlPlane
    directory: Path
    namespaces: list[str] = field(default_factory=list)

    async def namespace(self, name: str) -> ApiAccess:
        """A new namespace, with what the controller-manager and deploy/base would make in it."""
        access = ApiAccess(
            url=self.plane.url,
            token=self.plane.admin_token,
            authority=str(self.plane.ca_file),
            namespace=f"bench-{name}-{len(self.namespaces)}",
        )
        self.namespaces.append(access.namespace)
        async with Raw(access) as raw:
            await raw.send("POST", "/api/v1/namespaces", {"metadata": {"name": access.namespace}})
            account = {"metadata": {"name": "default"}}
            await raw.send("POST", f"/api/v1/namespaces/{access.namespace}/serviceaccounts", account)
            # As deploy/base has it.
            for written in ("podline-agents", "podline-secret-sets"):
                index = {"metadata": {"name": written}}
                await raw.send("POST", f"/api/v1/namespaces/{access.namespace}/configmaps", index)
            leases = f"/apis/coordination.k8s.io/v1/namespaces/{access.namespace}/leases"
            await raw.send("POST", leases, {"metadata": {"name": "podline-controller"}})
        return access

    @property
    def pids(self) -> dict[str, int]:
        pids = {name: self.plane.part(name).pid for name in ("kube-apiserver", "etcd")}
        return {name: pid for name, pid in pids.items() if pid is not None}


@asynccontextmanager
async def site(directory: Path) -> AsyncIterator[MeasuredCluster]:
    """Run a control plane until the block ends."""
    async with ControlPlane(ensure_binaries()) as plane:
        await _rest(plane)
        yield MeasuredCluster(plane, directory)


@asynccontextmanager
async def at_rest(plane: ControlPlane) -> AsyncIterator[None]:
    """Stop what would act on Jobs and pods until the block ends, on a cluster that others use afterwards."""
    await _rest(plane)
    try:
        yield
    finally:
        await asyncio.gather(plane.start_controller_manager(), plane.start_scheduler(), plane.start_kwok())


async def _rest(plane: ControlPlane) -> None:
    await asyncio.gather(plane.stop_controller_manager(), plane.stop_scheduler(), plane.stop_kwok())


@dataclass
class MeasuredController:
    """A controller that has been started, or what stands for one; not yet ready."""

    program: Program
    url: str
    http: aiohttp.ClientSession
    began: float
    seconds_until_ready: float = field(default=0.0, init=False)

    @property
    def pid(self) -> int:
        return self.program.process.pid

    async def until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await self._is_ready():
            if self.program.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The controller is not ready:\n{self.program.said()}")
            await asyncio.sleep(LOOK_SECONDS)
        self.seconds_until_ready = time.monotonic() - self.began

    async def start(self) -> dict[str, Any]:
        async with self.http.post("/v1/sessions", json={"user_id": "bench"}) as answer:
            if answer.status != 201:
                raise RuntimeError(f"A session was not started: {await answer.text()}")
            session: dict[str, Any] = await answer.json()
            return session

    async def _is_ready(self) -> bool:
        try:
            async with self.http.get("/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False


@asynccontextmanager
async def controller(
    cluster: MeasuredCluster,
    access: ApiAccess,
    *,
    command: tuple[str, ...] = ("controller", "serve"),
    at_once: int = 100,
    **settings: str,
) -> AsyncIterator[MeasuredController]:
    """A controller over a namespace, as `podline serve` starts it, with no limit that would be met."""
    port = free_port()
    variables = {
        "KUBECONFIG": str(cluster.plane.kubeconfig),
        "PODLINE_RUNTIME": "kubernetes",
        "PODLINE_NAMESPACE": access.namespace,
        "PODLINE_JOB_TEMPLATE": str(made.TEMPLATE),
        "PODLINE_CONTROLLER_URL": made.CONTROLLER_URL,
        "PODLINE_SECRET": made.SECRET,
        "PODLINE_PORT": str(port),
        "PODLINE_BOTS_PORT": str(free_port()),
        # All its clients are this machine.
        "PODLINE_CONNECTIONS_PER_ADDRESS": "1000",
        "PODLINE_CAPACITY": "100000",
        "PODLINE_SESSIONS_PER_USER": "100000",
        # The bots are not there, and nobody is to miss them.
        "PODLINE_START_TIMEOUT_SECONDS": "36000",
        "PODLINE_SILENCE_SECONDS": "36000",
        # As in the image; see the Dockerfile.
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }
    async with _serving(cluster, command, variables | settings, port, at_once) as ours:
        yield ours


@asynccontextmanager
async def bare_app(cluster: MeasuredCluster, access: ApiAccess) -> AsyncIterator[MeasuredController]:
    """An application that makes the same two writes for each start, and nothing else."""
    port = free_port()
    command = ("scripts.benchmarks.cluster.bare_app", msgspec.json.encode(access).decode(), str(port))
    async with _serving(cluster, command, {}, port, 100) as app:
        await app.until_ready()
        yield app


@asynccontextmanager
async def _serving(
    cluster: MeasuredCluster, command: tuple[str, ...], variables: dict[str, str], port: int, at_once: int
) -> AsyncIterator[MeasuredController]:
    own = Path(tempfile.mkdtemp(dir=cluster.directory))
    url = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=at_once)) as http:
        began = time.monotonic()
        program = Program.start(command[0], [sys.executable, "-m", *command], own, variables)
        try:
            yield MeasuredController(program, url, http, began)
        finally:
            await asyncio.to_thread(program.stop)
