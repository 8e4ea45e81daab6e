"""Addresses that a bot must not reach or has to reach, and pods that send real packets there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from testing.builds.images import image_name
from testing.node.node_cluster import NodeCluster
from testing.node.site import BASE, COMPONENTS
from testing.node.worker import NODE_ADDRESS, PODS, PODS_V6, run

HERE: Final = Path(__file__).parent
PRODUCTION: Final = BASE.parent / "overlays" / "production"
INTERFACE: Final = "elsewhere"

API_SERVER: Final = "198.51.100.7"
NODES: Final = ("198.51.100.8", "2001:db9:8::1")
"""Public addresses, as a managed cluster may have them, which the operator names."""

INTERNET: Final = ("203.0.113.9", "2001:db9::9")
LAN: Final = ("10.9.9.9", "172.20.9.9", "192.168.77.7", "100.70.9.9", "fd12:3456::9")
METADATA: Final = (
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    # The first one again, as gateways between IPv6 and IPv4 would take it.
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
)
NODE_LOCAL_DNS: Final = "169.254.20.10"
TCP: Final = (22, 25, 53, 80, 443, 3478, 6443, 7881, 10250)
UDP: Final = (53, 123, 443, 3478, 40000, 50000)

BOT: Final = {"app.kubernetes.io/name": "podline-bot"}
CONTROLLER: Final = {"app.kubernetes.io/name": "podline-controller"}
SERVES: Final = {
    f"podline.dev/serves-{what}": "true" for what in ("rooms", "model", "store", "turn", "traces")
}
PORTS: Final = {
    "http": ("tcp", 7860),
    "bots": ("tcp", 7861),
    "metrics": ("tcp", 9464),
    "replicas": ("tcp", 7862),
    "signal": ("tcp", 7880),
    "rtc-tcp": ("tcp", 30781),
    "rtc-udp": ("udp", 30782),
    "model": ("tcp", 8443),
    "store": ("tcp", 8080),
    "turn": ("udp", 3478),
    "traces": ("tcp", 4317),
    "high": ("udp", 40000),
}
"""What each pod listens at: by the names that a controller, LiveKit and others give their ports."""


@dataclass(frozen=True)
class Pod:
    """A pod that listens at all of `PORTS`, and sends what a test tells it to."""

    cluster: NodeCluster
    namespace: str
    name: str
    addresses: tuple[str, ...]

    def at(self, *ports: str) -> set[str]:
        """These ports of it as targets, over IPv4 and IPv6."""
        found = (PORTS[port] for port in ports)
        return {f"{protocol}/{address}/{port}" for protocol, port in found for address in self.addresses}

    @property
    def everywhere(self) -> set[str]:
        return self.at(*PORTS)

    async def reaches(self, targets: Collection[str], *, patience: float) -> set[str]:
        """Which of these targets answer, until none has for so many seconds."""
        said = await self.cluster.kubectl(
            f"--namespace={self.namespace}",
            "exec",
            self.name,
            "--",
            "python",
            "-c",
            (HERE / "probe.py").read_text(),
            str(patience),
            *targets,
        )
        return set(said.split())


@contextlib.asynccontextmanager
async def addresses_elsewhere() -> AsyncIterator[None]:
    """An interface of the nodes that has all these addresses, and a program that answers there."""
    addresses = (API_SERVER, *NODES, *INTERNET, *LAN, *METADATA, NODE_LOCAL_DNS)
    await run(["ip", "link", "add", INTERFACE, "type", "bridge"])
    await run(["ip", "link", "set", INTERFACE, "up"])
    for address in addresses:
        length = "/128 nodad" if ":" in address else "/32"
        await run(["ip", "address", "add", *f"{address}{length} dev {INTERFACE}".split()])
    process = await asyncio.create_subprocess_exec(
        sys.executable, HERE / "echo.py", *everywhere(*addresses), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"listening\n"
        yield
    finally:
        process.kill()
        await process.wait()
        await run(["ip", "link", "delete", INTERFACE])


async def make_namespace(cluster: NodeCluster, namespace: str) -> None:
    """Make it; return when it can have pods."""
    await cluster.kubectl("create", "namespace", namespace)
    await cluster.until(
        f"/api/v1/namespaces/{namespace}/serviceaccounts", lambda accounts: accounts["items"] != []
    )


async def install_policies(cluster: NodeCluster, namespace: str, components: Iterable[str]) -> None:
    """Apply production's policies, with addresses named and components added as an operator does."""
    with tempfile.TemporaryDirectory() as name:
        ours = Path(name) / "ours"
        shutil.copytree(PRODUCTION, ours)
        _name_addresses(ours)
        _write_kustomization(ours, components)
        rendered = yaml.safe_load_all(await cluster.kubectl("kustomize", str(ours)))
        policies = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    for each in policies:
        each["metadata"]["namespace"] = namespace
    await cluster.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(policies))


def _name_addresses(ours: Path) -> None:
    allowed = yaml.safe_load((ours / "api-server.yaml").read_text())
    allowed["spec"]["egress"][0]["to"] = [
        {"ipBlock": {"cidr": f"{address}/32"}} for address in (NODE_ADDRESS, API_SERVER)
    ]
    (ours / "api-server.yaml").write_text(yaml.safe_dump(allowed))
    blocked = {
        0: (f"{NODE_ADDRESS}/32", f"{API_SERVER}/32", f"{NODES[0]}/32", PODS),
        1: (f"{NODES[1]}/128", PODS_V6),
    }
    patch = [
        {"op": "add", "path": f"/spec/egress/0/to/{family}/ipBlock/except/-", "value": value}
        for family, values in blocked.items()
        for value in values
    ]
    (ours / "blocked-addresses.yaml").write_text(yaml.safe_dump(patch))


def _write_kustomization(ours: Path, components: Iterable[str]) -> None:
    path = ours / "kustomization.yaml"
    content = yaml.safe_load(path.read_text())
    for kind in ("resources", "components"):
        content[kind] = [_from(ours, each) for each in content[kind]]
    content["components"] += [os.path.relpath(COMPONENTS / name, ours) for name in components]
    path.write_text(yaml.safe_dump(content))


def _from(ours: Path, resource: str) -> str:
    """Name what is outside production's folder as it is seen from its copy."""
    outside = (PRODUCTION / resource).resolve()
    return resource if outside.is_relative_to(PRODUCTION) else os.path.relpath(outside, ours)


async def make_pod(cluster: NodeCluster, path: str, labels: Mapping[str, str]) -> Pod:
    """Run NAMESPACE/NAME, of the bot's own image, which has a Python."""
    namespace, name = path.split("/")
    # To datagrams IPv6's wildcard is IPv4's as well.
    targets = [f"{protocol}/::/{port}" for protocol, port in PORTS.values()]
    targets += [f"tcp/0.0.0.0/{port}" for protocol, port in PORTS.values() if protocol == "tcp"]
    container = {
        "name": "only",
        "image": image_name("bot"),
        "imagePullPolicy": "Never",
        "command": ["python", "-c", (HERE / "echo.py").read_text(), *targets],
        "ports": [
            {"name": name, "containerPort": port, "protocol": protocol.upper()}
            for name, (protocol, port) in PORTS.items()
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        # Ready when it listens, which the kubelet finds out as it does of a controller.
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
            "containers": [container],
        },
    }
    await cluster.kubectl("create", "--filename=-", stdin=json.dumps(pod))
    found = await cluster.until(f"/api/v1/namespaces/{namespace}/pods/{name}", _is_ready)
    return Pod(cluster, namespace, name, tuple(each["ip"] for each in found["status"]["podIPs"]))


def everywhere(*addresses: str) -> set[str]:
    """All targets at these addresses that `addresses_elsewhere` answers at."""
    return {
        f"{protocol}/{address}/{port}"
        for address in addresses
        for protocol, ports in (("tcp", TCP), ("udp", UDP))
        for port in ports
    }


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", [])
    )
