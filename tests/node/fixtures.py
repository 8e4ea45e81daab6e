"""The cluster with real nodes that the tests of a run share, and Podline installed on it by its own script.

Each folder of such tests loads this plugin: with fixtures of its own, each would start a cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.voice import Voice
from scripts.site.installation import install_site
from scripts.site.kubectl import Kubectl
from testing.builds.binaries import ensure_binaries
from testing.builds.images import ensure_images
from testing.builds.node import ALL_PARTS
from testing.callers.browser import find_chromium
from testing.callers.browsing import record
from testing.node.node_cluster import NodeCluster
from testing.node.site import OVERLAY_NAMESPACE, NodeSite, let_other_sites_in, open_site


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[NodeCluster]:
    async with NodeCluster(ensure_binaries(ALL_PARTS), ensure_images().values()) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installed(cluster: NodeCluster) -> NodeCluster:
    """With the overlay for one's own machine, installed as scripts/kind-up does."""
    await asyncio.to_thread(install_site, Kubectl.of(cluster.binaries["kubectl"], cluster.kubeconfig))
    await let_other_sites_in(cluster)
    return cluster


@pytest.fixture(scope="module")
def namespace() -> str:
    """Where the site of a module's tests is: the overlay's. Those that want their own install it here."""
    return OVERLAY_NAMESPACE


@pytest.fixture
async def site(installed: NodeCluster, namespace: str) -> AsyncIterator[NodeSite]:
    async with open_site(installed, namespace) as opened:
        yield opened


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()


@pytest.fixture(scope="session")
def chromium() -> Path:
    found = find_chromium()
    assert found is not None, "no Chromium on this machine: scripts/test says how to get one"
    return found


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory, voice: Voice) -> Path:
    return record(voice, tmp_path_factory.mktemp("microphone") / "script.wav")
