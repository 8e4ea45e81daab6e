"""A whole Kubernetes: the control plane's processes, and real nodes that run containers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from testing.cluster.commands import Command
from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane, is_ready
from testing.node import enforcement, names
from testing.node.worker import BRIDGE, NODE_ADDRESS, NODE_ADDRESS_V6, NODE_LINK_ADDRESS, PODS, Worker, run
from testing.processes import free_ports

API_SERVER_PORT = 6443
"""Its own, which the base's NetworkPolicy opens to the controller."""

NODES = 2
"""One can be drained or die while the other goes on."""


class NodeCluster(ControlPlane):
    """Needs root, and namespaces of its own (namespaces.sh): it makes interfaces and mounts."""

    def __init__(self, binaries: Mapping[str, Path], images: Iterable[Path], nodes: int = NODES) -> None:
        super().__init__(binaries, fake_nodes=0, address=NODE_ADDRESS, apiserver_port=API_SERVER_PORT)
        self._images = list(images)
        ports = free_ports(2 * nodes)
        self.workers = [
            Worker(number, self.directory / f"node-{number}", *ports[2 * number : 2 * number + 2])
            for number in range(nodes)
        ]

    async def start(self) -> None:
        await make_bridge()
        await enforcement.hand_packets_over()
        await super().start()

    def worker(self, name: str) -> Worker:
        """The node of this name."""
        return next(worker for worker in self.workers if worker.name == name)

    async def strays(self) -> dict[str, set[int]]:
        """Return processes in containers of ended or deleted pods, by the pod's uid."""
        pods = (await self.api("GET", "/api/v1/pods"))["items"]
        alive = {
            pod["metadata"]["uid"] for pod in pods if pod["status"]["phase"] not in ("Succeeded", "Failed")
        }
        running = {uid: worker.processes(uid) for worker in self.workers for uid in worker.pods()}
        return {uid: pids for uid, pids in running.items() if pids and uid not in alive}

    async def until_no_stray_runs(self) -> None:
        """Wait until containerd has taken down what held the network of pods that have ended."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.strays():  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.1)

    async def stop_node(self, worker: Worker) -> None:
        """Let a node die: its kubelet at once, then its containers with what runs them."""
        await self.part(f"kubelet-{worker.number}").stop(0)
        worker.kill_containers()
        await self.part(f"containerd-{worker.number}").stop(0)

    async def start_node(self, worker: Worker) -> None:
        """Bring it up again, and let it take pods."""
        await self._start_worker(worker)
        path = f"/api/v1/nodes?fieldSelector=metadata.name%3D{worker.name}"
        await self.until(path, lambda nodes: nodes["items"] != [])
        await self.kubectl("uncordon", worker.name)
        await self._until_ready([worker])

    async def stop(self) -> None:
        for worker in self.workers:
            if f"kubelet-{worker.number}" in self.parts:
                await self.part(f"kubelet-{worker.number}").stop(0)
                worker.kill_containers()
        await super().stop()

    async def _start_nodes(self) -> None:
        for worker in self.workers:
            self._add_worker(worker)
        self._add_proxy_and_enforcer()
        await self._start(enforcement.PROGRAM)
        first, *others = self.workers
        await self._start(f"containerd-{first.number}")
        await first.load(self._images)
        for other in others:
            await other.share_images_of(first)
        await asyncio.gather(*(self._start_worker(worker) for worker in self.workers))
        await self._until_ready(self.workers)
        # Only now: kube-proxy ends itself where its node gets an address later.
        await self._start("kube-proxy")
        await self._start_names()

    async def _start_names(self) -> None:
        manifests = names.manifests(self.workers[0].number)
        await self.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(manifests))
        path = f"/apis/apps/v1/namespaces/kube-system/daemonsets/{names.NAME}"
        await self.until(path, lambda found: found["status"].get("numberReady") == 1)

    async def _start_worker(self, worker: Worker) -> None:
        await self._start(f"containerd-{worker.number}")
        kubelet = self.part(f"kubelet-{worker.number}")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await worker.is_healthy():
                # It ends where containerd answers and does not serve kubelets yet.
                kubelet.start()
                await asyncio.sleep(0.1)  # seen from outside only

    def _add_worker(self, worker: Worker) -> None:
        worker.write()
        self._add(worker.containerd(), worker.answers, f"containerd-{worker.number}")
        kubelet = worker.kubelet(self.binaries["kubelet"], self.kubeconfig)
        self._add(kubelet, worker.is_healthy, f"kubelet-{worker.number}")

    def _add_proxy_and_enforcer(self) -> None:
        # The nodes share one network, so that one of each serves them all.
        proxy: Command = [
            self.binaries["kube-proxy"],
            f"--kubeconfig={self.kubeconfig}",
            "--proxy-mode=iptables",
            f"--hostname-override={self.workers[0].name}",
            f"--cluster-cidr={PODS}",
            "--conntrack-max-per-core=0",
        ]
        self._add(proxy, runs)
        judge = enforcement.enforcer(
            self.binaries[enforcement.PROGRAM], self.kubeconfig, self.workers[0].name
        )
        self._add(judge, enforcement.judges)

    async def _until_ready(self, workers: Iterable[Worker]) -> None:
        for worker in workers:
            path = f"/api/v1/nodes?fieldSelector=metadata.name%3D{worker.name}"
            await self.until(path, lambda nodes: nodes["items"] and is_ready(nodes["items"][0]))


async def runs() -> bool:
    """For parts that are ready when the node is."""
    return True


async def make_bridge() -> None:
    """The network that nodes and pods share, with a way out that leads nowhere."""
    for command in (
        f"link add {BRIDGE} address {NODE_LINK_ADDRESS} type bridge",
        f"address add {NODE_ADDRESS}/16 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"route add default dev {BRIDGE}",
        f"address add {NODE_ADDRESS_V6}/64 dev {BRIDGE} nodad",
    ):
        await run(["ip", *command.split()])
    for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
        await run(["sysctl", "--quiet", "--write", setting])
