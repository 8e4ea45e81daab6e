"""Where the overlay's pods run, how they are moved, and how a node is drained."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from testing.node.node_cluster import NodeCluster
from testing.node.site import OVERLAY_NAMESPACE, NodeSite, until_reached

CONTROLLER = "podline-controller"
LIVEKIT = "podline-livekit"
SANDBOX = "podline-sandbox"
PODS = f"/api/v1/namespaces/{OVERLAY_NAMESPACE}/pods?labelSelector=app.kubernetes.io/name="


async def ready_pod(
    cluster: NodeCluster, name: str, other_than: str = "", restarts: int = 0
) -> dict[str, Any]:
    """Return the one pod of this name once it is ready: another one, or restarted this often, if asked."""

    def is_it(pods: dict[str, Any]) -> bool:
        [pod, *others] = pods["items"] or [{"metadata": {"uid": other_than}}]
        return (
            not others
            and pod["metadata"]["uid"] != other_than
            and "deletionTimestamp" not in pod["metadata"]
            and is_ready(pod)
            and pod["status"]["containerStatuses"][0]["restartCount"] >= restarts
        )

    pod: dict[str, Any] = (await cluster.until(f"{PODS}{name}", is_it))["items"][0]
    return pod


async def ready_pods(cluster: NodeCluster, name: str, count: int, image: str = "") -> list[dict[str, Any]]:
    """The pods of this name once this many are ready, with this image if given, and all others gone."""

    def are_they(pods: dict[str, Any]) -> bool:
        found = pods["items"]
        return len(found) == count and all(
            "deletionTimestamp" not in pod["metadata"]
            and is_ready(pod)
            and image in ("", pod["spec"]["containers"][0]["image"])
            for pod in found
        )

    pods: list[dict[str, Any]] = (await cluster.until(f"{PODS}{name}", are_they))["items"]
    return pods


def is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


async def until_back(site: NodeSite, before: dict[str, Any]) -> dict[str, Any]:
    """The pod of the controller that took over from this one, once callers reach it."""
    pod = await ready_pod(site.cluster, CONTROLLER, other_than=before["metadata"]["uid"])
    await until_reached(site.client)
    return pod


async def move_pods(site: NodeSite, wanted: Mapping[str, str]) -> None:
    """Make the one pod of each name run on its node."""
    for name, node in wanted.items():
        pod = await ready_pod(site.cluster, name)
        if pod["spec"]["nodeName"] != node:
            async with only(site.cluster, node):
                await site.kubectl("delete", "pod", pod["metadata"]["name"])
                await ready_pod(site.cluster, name, other_than=pod["metadata"]["uid"])
    await until_reached(site.client)


@contextlib.asynccontextmanager
async def only(cluster: NodeCluster, node: str) -> AsyncIterator[None]:
    """While this lasts, new pods run on this node."""
    others = [worker.name for worker in cluster.workers if worker.name != node]
    await cluster.kubectl("cordon", *others)
    try:
        yield
    finally:
        await cluster.kubectl("uncordon", *others)


class Drain:
    """`kubectl drain`, which may wait for long."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[str] = []

    @property
    def is_waiting(self) -> bool:
        return self._process.returncode is None

    async def says(self, words: str) -> None:
        """Wait for a line with these words."""
        async for line in self._lines():
            if words in line:
                return
        raise AssertionError(f"drain never said '{words}', but: {self.said}")

    async def ends(self) -> int:
        """Its exit code, once it is through."""
        async for _ in self._lines():
            pass
        return await self._process.wait()

    async def _lines(self) -> AsyncIterator[str]:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(line.decode().strip())
            yield self.said[-1]


@contextlib.asynccontextmanager
async def draining(cluster: NodeCluster, node: str) -> AsyncIterator[Drain]:
    """Drain a node as an operator does; it takes pods again at the end."""
    process = await asyncio.create_subprocess_exec(
        cluster.binaries["kubectl"],
        f"--kubeconfig={cluster.kubeconfig}",
        "drain",
        node,
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield Drain(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await cluster.kubectl("uncordon", node)
