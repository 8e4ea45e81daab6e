"""One node: containerd and a kubelet, their configurations, and what they are started with."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from testing.cluster.commands import Command
from testing.cluster.processes import answers

BRIDGE = "podline0"
NODE_ADDRESS = "10.244.0.1"
PODS = "10.244.0.0/16"
NODE_ADDRESS_V6 = "fd00:10:244::1"
PODS_V6 = "fd00:10:244::/64"
"""Pods have such an address too, so that what they may not reach over IPv6 can be tried."""

NODE_LINK_ADDRESS = "0a:58:0a:f4:00:01"
"""Of the bridge, which else takes that of a port: when a pod ends it may change, and other pods go on sending
to the old one for a while, over IPv6 for seconds."""

DNS_ADDRESS = "10.250.0.10"
"""Of the Service."""

DNS_DOMAIN = "cluster.local"
CONTROL_GROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = "+cpu +cpuset +io +memory +pids"
"""What a kubelet wants of version 2."""

PAUSE_IMAGE = "localhost/pause:1"
"""What holds a pod's namespaces: a program that sleeps."""

CNI_PROGRAMS = Path("/usr/lib/cni")
"""Where Debian's containernetworking-plugins are."""


@dataclass(frozen=True)
class Worker:
    """A node's name, ports and files. Nodes share the machine's network, and a bridge for their pods."""

    number: int
    directory: Path
    kubelet_port: int
    health_port: int

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def socket(self) -> Path:
        return self.directory / "containerd.sock"

    @property
    def image_store(self) -> Path:
        """The root of containerd."""
        return self.directory / "containerd"

    def write(self) -> None:
        """Write all configurations, and make the groups that the kubelet wants to find."""
        self._make_control_groups()
        (self.directory / "cni").mkdir(parents=True)
        (self.directory / "cni" / "pods.conflist").write_text(json.dumps(self._pod_network()))
        (self.directory / "containerd.toml").write_text(self._containerd())
        (self.directory / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet()))

    def containerd(self) -> Command:
        return ["containerd", "--config", self.directory / "containerd.toml"]

    def kubelet(self, program: Path, kubeconfig: Path) -> Command:
        return [
            program,
            f"--config={self.directory / 'kubelet.yaml'}",
            f"--kubeconfig={kubeconfig}",
            f"--root-dir={self.directory / 'kubelet'}",
            f"--hostname-override={self.name}",
            f"--node-ip={NODE_ADDRESS}",
            f"--node-labels=podline.test/number={self.number}",
        ]

    def ctr(self, *arguments: str | Path) -> list[str | Path]:
        """A command of containerd's own client, about the kubelet's images and containers."""
        return ["ctr", "--address", self.socket, "--namespace", "k8s.io", *arguments]

    async def answers(self) -> bool:
        """Whether containerd serves."""
        return (await run(self.ctr("version"), check=False)).returncode == 0

    async def is_healthy(self) -> bool:
        """Whether the kubelet says so of itself."""
        return await answers(f"http://127.0.0.1:{self.health_port}/healthz", None)

    async def load(self, images: Iterable[Path]) -> None:
        """Import images from their archives."""
        for archive in images:
            await run(self.ctr("images", "import", archive))

    async def share_images_of(self, other: Worker) -> None:
        """Take over another node's images before containerd is started here.

        Layers and blobs never change once they are stored, so the nodes share the files. The databases that
        list them are copied: containerd writes those in place.
        """
        await run(["cp", "--archive", "--link", other.image_store, self.image_store])
        for database in other.image_store.rglob("*.db"):
            copy = self.image_store / database.relative_to(other.image_store)
            await run(["cp", "--remove-destination", database, copy])

    def processes(self, pod_uid: str = "") -> set[int]:
        """All that runs in containers here, or in one pod's, what holds a pod's network included."""
        lists = (path for group in self._groups for path in group.glob(f"**/pod{pod_uid}*/**/cgroup.procs"))
        return {int(pid) for each in lists for pid in each.read_text().split()}

    def pods(self) -> set[str]:
        """The uids of pods that have control groups here."""
        pods = (path for group in self._groups for path in group.glob("**/pod*-*-*-*-*"))
        return {pod.name.removeprefix("pod") for pod in pods}

    def kill_containers(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def _control_group(self) -> str:
        # Named for the run's own directory (namespaces.sh): another run may be on this machine.
        return f"{Path(tempfile.gettempdir()).name}-{self.number}"

    @property
    def _groups(self) -> list[Path]:
        """One in version 2, one for each controller in version 1."""
        roots = [CONTROL_GROUPS] if has_version_2() else list(CONTROL_GROUPS.iterdir())
        return [root / self._control_group for root in roots]

    def _make_control_groups(self) -> None:
        """The kubelet's own, beside everybody else's; an empty one has no processors and no memory."""
        if has_version_2():
            (CONTROL_GROUPS / "cgroup.subtree_control").write_text(CONTROLLERS)
        for group in self._groups:
            group.mkdir(exist_ok=True)
            for name in ("cpuset.cpus", "cpuset.mems"):
                if (group.parent / name).is_file():
                    (group / name).write_text((group.parent / name).read_text())

    def _pod_network(self) -> dict[str, Any]:
        subnet = f"10.244.{self.number + 1}.0/24"
        return {
            "cniVersion": "0.4.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": BRIDGE,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(self.directory / "addresses"),
                        # The bridge itself is the way out, for pods of all nodes.
                        "ranges": [
                            [
                                {
                                    "subnet": PODS,
                                    "rangeStart": subnet.replace("0/24", "10"),
                                    "rangeEnd": subnet.replace("0/24", "250"),
                                    "gateway": NODE_ADDRESS,
                                }
                            ],
                            [
                                {
                                    "subnet": PODS_V6,
                                    "rangeStart": f"fd00:10:244::{self.number + 1}:0",
                                    "rangeEnd": f"fd00:10:244::{self.number + 1}:ffff",
                                    "gateway": NODE_ADDRESS_V6,
                                }
                            ],
                        ],
                        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                    },
                }
            ],
        }

    def _containerd(self) -> str:
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        return f"""version = 2
root = "{self.image_store}"
state = "{self.directory}/containerd-state"
oom_score = 0
[grpc]
  address = "{self.socket}"
[{cri}]
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE_IMAGE}"
  stream_server_port = "0"
  [{cri}.cni]
    bin_dir = "{CNI_PROGRAMS}"
    conf_dir = "{self.directory}/cni"
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            # The host's groups may still be those of version 1, one controller to a mount.
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._control_group}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "address": NODE_ADDRESS,
            "port": self.kubelet_port,
            "healthzPort": self.health_port,
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": DNS_DOMAIN,
            "resolvConf": "",
            # What was imported can't be pulled again, so a disk that others have filled must not cost it.
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "evictionHard": {
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "memory.available": "50Mi",
            },
            "volumePluginDir": str(self.directory / "volume-plugins"),
            "podLogsDir": str(self.directory / "pod-logs"),
        }


def has_version_2() -> bool:
    return (CONTROL_GROUPS / "cgroup.controllers").exists()


async def run(command: Iterable[str | Path], *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; show its output if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    assert process.returncode is not None
    if check and process.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {errors.decode().strip()}")
    return subprocess.CompletedProcess(list(command), process.returncode, output, errors)
