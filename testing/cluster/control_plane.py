"""A Kubernetes control plane as processes of this machine, with fake nodes; needs no root and no Docker."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import httpx

from testing.cluster import commands, kwok
from testing.cluster.processes import (
    TERM_SECONDS,
    ClusterGuardian,
    ClusterProcess,
    answers,
    stop_all,
)
from testing.processes import free_ports

FAKE_NODES = 5
PATIENCE_SECONDS = 30.0
"""Only a hang takes this long."""

_WATCHERS = ("kube-controller-manager", "kube-scheduler", "kwok")

MERGE = "application/merge-patch+json"

IsReady = Callable[[], Awaitable[bool]]


class NotOursError(Exception):
    """The cluster was named by the user: its parts are not ours to end."""


class KubectlError(Exception):
    """What kubectl said when it failed."""


class ControlPlane:
    """Starts etcd, apiserver, controller-manager, scheduler and kwok; ends them when it is left.

    It belongs to no event loop: one that a session's fixture has started serves every test.
    """

    url: str
    etcd_url: str
    admin_token: str
    ca_file: Path
    kubeconfig: Path

    def __init__(
        self,
        binaries: Mapping[str, Path],
        fake_nodes: int = FAKE_NODES,
        address: str = commands.LOOPBACK,
        apiserver_port: int | None = None,
        apiserver_flags: Sequence[str] = (),
        users: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Prepare.

        Args:
            binaries: the programs, by name.
            fake_nodes: how many.
            address: where what nodes and pods may ask listens, by default at any free port.
            apiserver_port: of the API server; None for a free one.
            apiserver_flags: more of the API server's, such as those of its audit log.
            users: whom it knows besides the administrator and `podline-controller`, and their groups.
        """
        self.binaries = binaries
        self.address = address
        self.directory = Path(tempfile.mkdtemp(prefix="podline-cluster-"))
        self.parts: dict[str, ClusterProcess] = {}
        self.bot_log = self.directory / "bot.log"
        self._fake_nodes = fake_nodes
        self._apiserver_port = apiserver_port
        self._apiserver_flags = apiserver_flags
        self._users = users
        self._guardian = ClusterGuardian(self.directory)
        self._readiness: dict[str, IsReady] = {}
        self._tokens: Mapping[str, str] = {}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when Jobs run: all parts answer and the fake nodes are ready."""
        files = commands.Files(self.directory)
        ports = commands.ClusterPorts(*free_ports(5))
        if self._apiserver_port is not None:
            ports = dataclasses.replace(ports, apiserver=self._apiserver_port)
        self.url = f"https://{self.address}:{ports.apiserver}"
        self.etcd_url = f"http://127.0.0.1:{ports.etcd}"
        self.ca_file, self.kubeconfig = files.certificate_authority, files.kubeconfig
        commands.write_account_keys(files)
        self._tokens = commands.write_tokens(files, self._users)
        self.admin_token = self._tokens[commands.ADMIN]
        commands.write_kubeconfig(files.kubeconfig, self.url, self.admin_token, files.certificate_authority)
        self._add_control_plane(files, ports)
        await self._start("etcd", "kube-apiserver")
        await asyncio.gather(self._start("kube-controller-manager", "kube-scheduler"), self._start_nodes())

    async def _start_nodes(self) -> None:
        files = commands.Files(self.directory)
        self._add_kwok(free_ports(1)[0], (files.certificate_authority, files.serving_key))
        await asyncio.gather(self._start("kwok"), self._create_fake_nodes())
        await self._until_nodes_are_ready()

    async def stop(self) -> None:
        """End everything, at once: the directory goes, so nothing in it needs to be saved."""
        await stop_all(self.parts.values())
        await self._guardian.leave()

    async def start_apiserver(self) -> None:
        """Start it, and the programs that watch it anew: each outage makes them wait longer, up to 60 s."""
        if self.part("kube-apiserver").runs:
            return
        await self._start("kube-apiserver")
        watching = [name for name in _WATCHERS if self.part(name).runs]
        await asyncio.gather(*(self.part(name).stop(0) for name in watching))
        if "kwok" in watching:
            await self._release_fake_nodes()
        await self._start(*watching)

    async def stop_apiserver(self, patience: float = TERM_SECONDS) -> None:
        await self.part("kube-apiserver").stop(patience)

    async def restart_apiserver(self, patience: float = TERM_SECONDS) -> None:
        """On the same port, with the same certificate."""
        await self.stop_apiserver(patience)
        await self.start_apiserver()

    async def start_controller_manager(self) -> None:
        await self._start("kube-controller-manager")

    async def stop_controller_manager(self, patience: float = TERM_SECONDS) -> None:
        await self.part("kube-controller-manager").stop(patience)

    async def start_scheduler(self) -> None:
        await self._start("kube-scheduler")

    async def start_kwok(self) -> None:
        if not self.part("kwok").runs:
            await self._release_fake_nodes()
        await self._start("kwok")

    async def stop_kwok(self, patience: float = TERM_SECONDS) -> None:
        await self.part("kwok").stop(patience)

    async def add_kwok(self, name: str, nodes: Sequence[dict[str, Any]], mark: str) -> ClusterProcess:
        """Start another kwok, for nodes whose kubelets a test ends together; `mark` is on all of these."""
        port = free_ports(1)[0]
        command = kwok.command(
            self.binaries["kwok"], self.kubeconfig, self.directory / "kwok.yaml", port, None, mark
        )
        self._add(command, lambda: answers(f"http://127.0.0.1:{port}/healthz", None), name)
        for node in nodes:
            await self.api("POST", "/api/v1/nodes", node)
        await self._start(name)
        return self.part(name)

    async def stop_scheduler(self, patience: float = TERM_SECONDS) -> None:
        await self.part("kube-scheduler").stop(patience)

    def part(self, name: str) -> ClusterProcess:
        """One of the programs, by its name."""
        if name not in self.parts:
            raise NotOursError(f"{name} is a part of the cluster that was named, so this test can't stop it")
        return self.parts[name]

    async def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        process = await asyncio.create_subprocess_exec(
            self.binaries["kubectl"],
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.directory / 'kubectl-cache'}",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate(None if stdin is None else stdin.encode())
        if process.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {errors.decode().strip()}")
        return output.decode()

    async def api(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """One request as the administrator; raises where the answer is an error."""
        headers = {"Authorization": f"Bearer {self.admin_token}", "Content-Type": content_type}
        async with httpx.AsyncClient(verify=self.ssl_context(), timeout=PATIENCE_SECONDS) as client:
            answer = await client.request(method, self.url + path, json=body, headers=headers)
        answer.raise_for_status()
        return answer.json()

    async def evict(self, namespace: str, pod: str) -> httpx.Response | None:
        """Ask for a pod's eviction, as a drain does. Return the refusal; None if it is evicted."""
        metadata = {"name": pod, "namespace": namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        try:
            await self.api("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", eviction)
        except httpx.HTTPStatusError as error:
            return error.response
        return None

    async def until(self, path: str, what: Callable[[Any], bool]) -> Any:
        """Look at an object, or a list of them, until it is as a test expects it."""
        seen: Any = None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not what(seen := await self.api("GET", path)):  # noqa: ASYNC110 - seen from outside only
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{path} never came to that; at last it was {seen}") from None
        return seen

    async def annotate(self, path: str, annotations: Mapping[str, str | None]) -> None:
        """On the object at this path; `None` takes one away."""
        await self.api("PATCH", path, {"metadata": {"annotations": annotations}}, MERGE)

    async def service_account_token(self, namespace: str, name: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = await self.api(
            "POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        )
        token: str = answer["status"]["token"]
        return token

    @property
    def controller_token(self) -> str:
        """Of the user `podline-controller`, who may do what a test lets them."""
        return self.token_of(commands.CONTROLLER)

    def token_of(self, user: str) -> str:
        """The token of one of the API server's users."""
        if user not in self._tokens:
            raise NotOursError("a cluster that was named has no such user")
        return self._tokens[user]

    def kubeconfig_for(self, token: str, name: str) -> Path:
        """For somebody else, in a file of that name."""
        return commands.write_kubeconfig(self.directory / name, self.url, token, self.ca_file)

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def say(self, text: str) -> None:
        """Let every fake bot log a line."""
        with self.bot_log.open("a") as log:
            log.write(kwok.log_line(text))

    def _add_control_plane(self, files: commands.Files, ports: commands.ClusterPorts) -> None:
        def healthy(port: int, path: str) -> IsReady:
            return lambda: self._answers(f"https://{self.address}:{port}{path}")

        async def etcd_healthy() -> bool:
            return await answers(f"http://127.0.0.1:{ports.etcd}/health", None)

        self._add(commands.etcd(self.binaries["etcd"], files, ports), etcd_healthy)
        self._add(
            commands.apiserver(
                self.binaries["kube-apiserver"], files, ports, self.address, self._apiserver_flags
            ),
            healthy(ports.apiserver, "/readyz"),
        )
        self._add(
            commands.controller_manager(self.binaries["kube-controller-manager"], files, ports, self.address),
            healthy(ports.controller_manager, "/healthz"),
        )
        self._add(
            commands.scheduler(self.binaries["kube-scheduler"], files, ports, self.address),
            healthy(ports.scheduler, "/readyz"),
        )

    def _add_kwok(self, port: int, serving: tuple[Path, Path] | None) -> None:
        configuration = self.directory / "kwok.yaml"
        kwok.write_configuration(configuration, self.bot_log)
        command = kwok.command(self.binaries["kwok"], self.kubeconfig, configuration, port, serving)
        self._add(command, lambda: answers(f"http://127.0.0.1:{port}/healthz", None))

    def _add(self, command: commands.Command, is_ready: IsReady, name: str | None = None) -> None:
        part = ClusterProcess(command, self.directory, self._guardian, name)
        self.parts[part.name] = part
        self._readiness[part.name] = is_ready

    async def _start(self, *names: str) -> None:
        parts = [self.part(name) for name in names]
        for part in parts:
            part.start()
        await asyncio.gather(*(part.until(self._readiness[part.name]) for part in parts))

    async def _answers(self, url: str) -> bool:
        # The apiserver makes its certificate when it first starts.
        return self.ca_file.exists() and await answers(url, self.ssl_context())

    async def _create_fake_nodes(self) -> None:
        for number in range(self._fake_nodes):
            await self.api("POST", "/api/v1/nodes", kwok.fake_node(number))

    async def _release_fake_nodes(self) -> None:
        """Let the next kwok manage them at once: it would wait up to 40 s for the former one's leases."""
        await self.api("DELETE", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")

    async def _until_nodes_are_ready(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._nodes_are_ready():  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.05)

    async def _nodes_are_ready(self) -> bool:
        nodes = (await self.api("GET", "/api/v1/nodes?labelSelector=type%3Dkwok"))["items"]
        return len(nodes) >= self._fake_nodes and all(is_ready(node) for node in nodes)


def is_ready(node: dict[str, Any]) -> bool:
    """With no taint left that would keep pods away."""
    conditions = node["status"].get("conditions", [])
    return not node["spec"].get("taints") and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions
    )
