"""A cluster the user names instead: only the fake nodes are ours there."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

import yaml

from testing.cluster import commands
from testing.cluster.control_plane import ControlPlane
from testing.processes import free_ports

KUBECONFIG = "PODLINE_TEST_KUBECONFIG"
ADMINISTRATOR = "podline-test-admin"


def control_plane_class() -> type[ControlPlane]:
    return NamedCluster if os.environ.get(KUBECONFIG) else ControlPlane


class NamedCluster(ControlPlane):
    """Its parts can't be stopped, and its fake pods have no logs: its apiserver may not reach this machine.

    Nodes that aren't fake have to be cordoned, else pods of the tests would really run there.
    """

    async def start(self) -> None:
        self.kubeconfig = self.directory / "kubeconfig"
        shutil.copy(os.environ[KUBECONFIG], self.kubeconfig)
        await self._read_kubeconfig()
        self.admin_token = await self._administrator_token()
        commands.write_kubeconfig(self.kubeconfig, self.url, self.admin_token, self.ca_file)
        self._add_kwok(free_ports(1)[0], None)
        await self._remove_fake_nodes()
        await self._create_fake_nodes()
        await self._start("kwok")
        await self._until_nodes_are_ready()

    async def stop(self) -> None:
        if "kwok" in self.parts:
            await self._remove_fake_nodes()
        await super().stop()

    async def _read_kubeconfig(self) -> None:
        shown = await self.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=yaml")
        cluster: dict[str, Any] = yaml.safe_load(shown)["clusters"][0]["cluster"]
        self.url = cluster["server"]
        self.ca_file = Path(self.directory / "ca.crt")
        self.ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))

    async def _administrator_token(self) -> str:
        """Of an account of its own, because the user's may have a certificate instead."""
        account = ("--namespace=kube-system", "serviceaccount", ADMINISTRATOR)
        binding = ("clusterrolebinding", ADMINISTRATOR)
        subject = ("--clusterrole=cluster-admin", f"--serviceaccount=kube-system:{ADMINISTRATOR}")
        for arguments in (account, (*binding, *subject)):
            manifest = await self.kubectl("create", *arguments, "--dry-run=client", "--output=yaml")
            await self.kubectl("apply", "--filename=-", stdin=manifest)
        token = await self.kubectl(
            "create", "token", ADMINISTRATOR, "--namespace=kube-system", "--duration=12h"
        )
        return token.strip()

    async def _remove_fake_nodes(self) -> None:
        await self.kubectl("delete", "nodes", "--selector=type=kwok")
