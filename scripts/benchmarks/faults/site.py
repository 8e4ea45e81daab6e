"""All that takes part in a run: cluster, controllers behind their Service, bots, callers, and their logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import yaml
from aiohttp import web

from sandbox.daily.server import DailyServer, create_daily_app
from scripts.benchmarks.faults.bots import BotsConfiguration
from scripts.benchmarks.faults.callers import CallersConfiguration
from scripts.benchmarks.faults.lines import LineLog
from scripts.benchmarks.faults.plan import FaultPlan
from scripts.benchmarks.faults.replica import KeptReplica
from scripts.benchmarks.faults.service import PERIOD_SECONDS, Backend, Service
from testing.builds.binaries import ensure_binaries
from testing.cluster.commands import ADMINISTRATORS
from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.fault_proxy import FaultProxy
from testing.cluster.kwok import fake_node
from testing.cluster.paths import NamespacePaths
from testing.cluster.processes import ClusterProcess
from testing.cluster.site import BASE, SECRET, write_template
from testing.processes import ROOT, free_port

POLICY: Final = Path(__file__).with_name("audit_policy.yaml")
FAULTS_USER: Final = "fault-suite"
BOTS_USER: Final = "scripted-bots"
LEASE: Final = "podline-controller"
ADDRESS: Final = "podline.dev/address"
GRACE_SECONDS: Final = 5
START_TIMEOUT_SECONDS: Final = 60
RACK_NODES: Final = 2
DAILY_KEY: Final = "5a4d0b0c"
READY_SECONDS: Final = 90.0
"""Only a hang takes this long."""
RECOVERY_SECONDS: Final = 30.0
"""After which the next fault strikes all the same."""


def replica_user(name: str) -> str:
    """Whom the API server knows a controller by."""
    return f"podline-{name}"


class Child:
    """A process of ours that takes orders by its standard input, and ends with it."""

    def __init__(self, module: str, configuration: str, output: Path) -> None:
        self._command = (sys.executable, "-m", module, configuration)
        self._output = output
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output
            )

    def order(self, **order: Any) -> None:
        if self._process is None or self._process.stdin is None or self._process.returncode is not None:
            raise RuntimeError(f"A process of the suite has ended:\n{self._output.read_text()[-5000:]}")
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def end(self) -> None:
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    def output(self) -> str:
        return self._output.read_text()


@dataclass
class Rack:
    """Nodes whose kubelets end together."""

    name: str
    nodes: list[str]
    kubelets: ClusterProcess


@dataclass
class SiteUnderFaults(NamespacePaths):
    """What faults strike."""

    plan: FaultPlan
    plane: ControlPlane
    namespace: str
    directory: Path
    log: LineLog
    http: aiohttp.ClientSession
    replicas: list[KeptReplica] = field(default_factory=list)
    service: Service = field(init=False)
    bots: list[Child] = field(default_factory=list)
    callers: Child = field(init=False)
    rooms_url: str = ""
    rack: Rack = field(init=False)
    racks: int = 0

    @property
    def real_directory(self) -> Path:
        """Where real bots write."""
        return self.directory / "real-bots"

    async def api(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """One request as the suite itself; it raises where the answer is an error."""
        headers = {"Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with self.http.request(method, path, data=data, headers=headers) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def leader(self) -> KeptReplica:
        """The controller that leads, or the only one; the first where that is not known."""
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/{LEASE}"
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            lease = await self.api("GET", path)
            address = lease["metadata"].get("annotations", {}).get(ADDRESS, "")
            for each in self.replicas:
                if address.endswith(f":{each.replicas_port}"):
                    return each
        return self.replicas[0]

    def order_bots(self, **order: Any) -> None:
        for each in self.bots:
            each.order(**order)

    async def new_rack(self) -> None:
        """Add nodes whose kubelets are one process."""
        self.racks += 1
        name = f"rack{self.racks}"
        nodes = [fake_node(number, name) for number in range(RACK_NODES)]
        kubelets = await self.plane.add_kwok(f"kwok-{name}", nodes, name)
        self.rack = Rack(name, [f"{name}-{number}" for number in range(RACK_NODES)], kubelets)

    async def restart_rack(self) -> None:
        """After an outage of the API server, which makes kwok wait ever longer."""
        await self.rack.kubelets.stop(0)
        self.rack.kubelets.start()

    async def listed(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api("GET", path))["items"]
        return found

    async def until_ready(self) -> None:
        """Wait until all controllers are ready; raise with the end of a log if one is not to be."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.service.until_ready()
        except TimeoutError:
            unready = [each for each in self.replicas if not each.backend.is_ready]
            logs = "\n".join(f"{each.name}: {each.output.read_text()[-3000:]}" for each in unready)
            raise AssertionError(f"Not ready after {READY_SECONDS:.0f} s:\n{logs}") from None

    async def until_ready_again(self) -> None:
        """Wait until the controllers have recovered, so that each fault meets a whole site; not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(RECOVERY_SECONDS):
                # One that has just been struck may not show it yet.
                await asyncio.sleep(2 * PERIOD_SECONDS)
                await self.service.until_ready()
                return
        unready = [each.name for each in self.replicas if not each.backend.is_ready]
        self.log.write("not_recovered", replicas=unready)

    async def rooms_left(self) -> list[dict[str, Any]]:
        """List the rooms that exist, if sessions have any."""
        if not self.rooms_url:
            return []
        found: list[dict[str, Any]] = []
        headers = {"Authorization": f"Bearer {DAILY_KEY}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            while True:
                after = {"starting_after": found[-1]["id"]} if found else {}
                async with http.get(f"{self.rooms_url}/rooms", params={"limit": "100", **after}) as answer:
                    answer.raise_for_status()
                    page = (await answer.json())["data"]
                found += page
                if not page:
                    return found

    async def compact(self) -> None:
        """Let etcd forget all that was before this moment."""
        async with aiohttp.ClientSession(self.plane.etcd_url) as etcd:
            async with etcd.post("/v3/kv/range", json={"key": "AA==", "count_only": True}) as answer:
                revision = (await answer.json())["header"]["revision"]
            async with etcd.post("/v3/kv/compaction", json={"revision": revision}) as answer:
                answer.raise_for_status()

    async def heal(self) -> None:
        """Take back all that a fault may have left."""
        for each in self.replicas:
            each.proxy.faults.clear()
            each.proxy.thaw()
            await each.proxy.up()
            each.signal(signal.SIGCONT)
            each.release()
        self.service.bots.unmute()
        await self.service.bots.open()

    async def annotate_node(self, name: str, spec: Mapping[str, Any]) -> None:
        await self.api("PATCH", f"/api/v1/nodes/{name}", {"spec": spec}, MERGE)


@asynccontextmanager
async def fault_site(plan: FaultPlan, directory: Path) -> AsyncIterator[SiteUnderFaults]:
    """Start everything but callers; return once all controllers are ready."""
    names = [f"replica-{number}" for number in range(plan.replicas)]
    users = {FAULTS_USER: [ADMINISTRATORS], BOTS_USER: [ADMINISTRATORS]}
    users |= {replica_user(name): [] for name in names}
    flags = (
        f"--audit-policy-file={POLICY}",
        f"--audit-log-path={directory / 'audit.log'}",
        # Never begun anew: the auditor reads all of it.
        "--audit-log-maxsize=1000000",
        "--etcd-compaction-interval=60s",
    )
    plane = ControlPlane(ensure_binaries(), apiserver_flags=flags, users=users)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(plane)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                plane.url,
                connector=aiohttp.TCPConnector(ssl=plane.ssl_context(), limit=50),
                headers={"Authorization": f"Bearer {plane.token_of(FAULTS_USER)}"},
                timeout=aiohttp.ClientTimeout(total=30),
            )
        )
        log = LineLog(directory / "faults.jsonl")
        stack.callback(log.close)
        namespace = f"faults-{secrets.token_hex(3)}"
        site = SiteUnderFaults(plan, plane, namespace, directory, log, http)
        await _create_namespace(site)
        await site.new_rack()
        settings = await _settings(site, stack)
        backends = [Backend(name, free_port(), free_port()) for name in names]
        site.service = Service(backends, log)
        settings["PODLINE_CONTROLLER_URL"] = f"http://127.0.0.1:{site.service.bots.port}"
        await stack.enter_async_context(site.service)
        for backend in backends:
            site.replicas.append(await _start_replica(site, backend, settings, stack))
        site.bots = [await _start_bots(site, index, stack) for index in range(plan.bot_processes)]
        await site.until_ready()
        yield site


async def start_callers(site: SiteUnderFaults) -> None:
    configuration = CallersConfiguration(
        url=f"http://127.0.0.1:{site.service.callers.port}",
        log=str(site.directory / "callers.jsonl"),
        name=f"s{site.plan.seed % 10_000}",
        seed=site.plan.seed,
        rate=site.plan.rate,
        seconds=site.plan.seconds,
        life_seconds=site.plan.life_seconds,
    )
    site.callers = Child(
        "scripts.benchmarks.faults.callers",
        msgspec.json.encode(configuration).decode(),
        site.directory / "callers.log",
    )
    await site.callers.start()


async def _create_namespace(site: SiteUnderFaults) -> None:
    await site.api("POST", "/api/v1/namespaces", {"metadata": {"name": site.namespace}})
    await site.plane.until(
        f"{site.core}/serviceaccounts",
        lambda found: any(each["metadata"]["name"] == "default" for each in found["items"]),
    )
    for file in ("agents.yaml", "lease.yaml", "role.yaml"):
        await site.plane.kubectl("apply", f"--namespace={site.namespace}", f"--filename={BASE / file}")
    await site.plane.kubectl(
        *("create", "rolebinding", "replicas", "--role=podline-controller", f"--namespace={site.namespace}"),
        *(f"--user={replica_user(f'replica-{number}')}" for number in range(site.plan.replicas)),
    )


async def _settings(site: SiteUnderFaults, stack: AsyncExitStack) -> dict[str, str]:
    # A pod that is deleted ends once its bot says so, or is killed.
    fate = {"fate.test/stop-takes": f"{GRACE_SECONDS + 4}s", "fate.test/stop-code": "137"}
    settings = {
        "PODLINE_RUNTIME": "kubernetes",
        "PODLINE_NAMESPACE": site.namespace,
        "PODLINE_JOB_TEMPLATE": str(_spread(write_template(site.directory, fate))),
        "PODLINE_SECRET": SECRET,
        "PODLINE_CAPACITY": str(3 * site.plan.live + 50),
        "PODLINE_SESSIONS_PER_USER": "1000",
        "PODLINE_GRACE_SECONDS": str(GRACE_SECONDS),
        "PODLINE_START_TIMEOUT_SECONDS": str(START_TIMEOUT_SECONDS),
        "PODLINE_KEEP_ENDED_SECONDS": str(round(site.plan.keep_ended_seconds)),
        # All callers are this machine.
        "PODLINE_CONNECTIONS_PER_ADDRESS": "4000",
        "PODLINE_MAX_CONNECTIONS": "4000",
        # As in the image; see the Dockerfile.
        "MALLOC_MMAP_THRESHOLD_": "131072",
    }
    if site.plan.has_rooms:
        runner = web.AppRunner(create_daily_app(DailyServer(DAILY_KEY, time.time, time.monotonic)))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        site.rooms_url = f"http://127.0.0.1:{port}/v1"
        settings |= {
            "PODLINE_ROOMS": "daily",
            "DAILY_API_KEY": DAILY_KEY,
            "DAILY_API_URL": site.rooms_url,
        }
    return settings


def _spread(template: Path) -> Path:
    """Let pods be on all nodes: the scheduler would put those that are alike onto one, which has room."""
    job = yaml.safe_load(template.read_text(encoding="utf-8"))
    job["spec"]["template"]["spec"]["topologySpreadConstraints"] = [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": job["metadata"]["labels"]},
        }
    ]
    template.write_text(yaml.safe_dump(job), encoding="utf-8")
    return template


async def _start_replica(
    site: SiteUnderFaults, backend: Backend, settings: Mapping[str, str], stack: AsyncExitStack
) -> KeptReplica:
    user = replica_user(backend.name)
    proxy = await stack.enter_async_context(FaultProxy(site.plane, site.plane.token_of(user)))
    replica = KeptReplica(backend, user, proxy, settings, site.log, site.directory)
    replica.on_end = lambda: site.service.ended(backend)
    if site.plan.replicas > 1:
        replica.among_others()
    return await stack.enter_async_context(replica)


async def _start_bots(site: SiteUnderFaults, index: int, stack: AsyncExitStack) -> Child:
    configuration = BotsConfiguration(
        api=site.plane.url,
        token=site.plane.token_of(BOTS_USER),
        authority=str(site.plane.ca_file),
        namespace=site.namespace,
        log=str(site.directory / f"bots-{index}.jsonl"),
        index=index,
        of=site.plan.bot_processes,
        real=site.plan.real // site.plan.bot_processes,
        real_directory=str(site.real_directory),
        seed=site.plan.seed + index,
        life_seconds=site.plan.life_seconds,
        report_seconds=site.plan.report_seconds,
    )
    child = Child(
        "scripts.benchmarks.faults.bots",
        msgspec.json.encode(configuration).decode(),
        site.directory / f"bots-{index}.log",
    )
    await child.start()
    stack.push_async_callback(child.end)
    return child


@contextlib.contextmanager
def noted(log: LineLog, name: str, **fields: Any) -> Any:
    """Write when a fault begins and ends."""
    log.write("fault", name=name, what="begins", **fields)
    try:
        yield
    finally:
        log.write("fault", name=name, what="ends")
