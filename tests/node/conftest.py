"""The cluster with real nodes that all tests here share, and Podline installed on it by its own script."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox.voice import Voice
from tests.cluster.binaries import ensure_binaries
from tests.node.binaries import ALL_PARTS
from tests.node.images import ensure_images
from tests.node.node_cluster import NodeCluster
from tests.node.site import OVERLAY_NAMESPACE, ROOT, NodeSite, open_site

INSTALL = "source scripts/lib-site.sh && install_site"
CALL = "source scripts/lib-site.sh && make_call"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[NodeCluster]:
    async with NodeCluster(ensure_binaries(ALL_PARTS), ensure_images().values()) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed(cluster: NodeCluster) -> NodeCluster:
    """With the overlay for one's own machine, applied by the steps of scripts/kind-up."""
    await by_script(cluster, INSTALL)
    return cluster


@pytest.fixture
async def site(installed: NodeCluster) -> AsyncIterator[NodeSite]:
    async with open_site(installed, OVERLAY_NAMESPACE) as opened:
        yield opened


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


async def by_script(cluster: NodeCluster, commands: str) -> str:
    """Do steps of a script that users run, against the test cluster; what it printed."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        commands,
        cwd=ROOT,
        env={
            **os.environ,
            "KUBECONFIG": str(cluster.kubeconfig),
            "PATH": f"{cluster.binaries['kubectl'].parent}:{os.environ['PATH']}",
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    said = ""
    async for line in process.stdout:
        sys.stdout.write(line.decode())
        said += line.decode()
    assert await process.wait() == 0, said
    return said
