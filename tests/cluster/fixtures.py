"""The cluster that the tests of a run share, and a namespace for each test.

A plugin, loaded by the conftest of each folder with tests on this cluster: there is one cluster for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from testing.builds.binaries import ensure_binaries
from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane, NotOursError
from testing.cluster.named_cluster import control_plane_class

LOG_LINES = 10
PLANE = pytest.StashKey[ControlPlane]()


def load(config: pytest.Config) -> None:
    """Make these fixtures known to all tests of the run, once."""
    if not config.pluginmanager.hasplugin(__name__):
        config.pluginmanager.import_plugin(__name__)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plane(pytestconfig: pytest.Config) -> AsyncIterator[ControlPlane]:
    """Ours, or the one that PODLINE_TEST_KUBECONFIG names."""
    async with control_plane_class()(ensure_binaries()) as running:
        pytestconfig.stash[PLANE] = running
        yield running


@pytest.fixture
async def ended_connections() -> AsyncIterator[None]:
    """Every connection of a test ends before its loop closes."""
    async with connections_that_end():
        yield


@asynccontextmanager
async def connections_that_end() -> AsyncIterator[None]:
    """Let TLS say goodbye before a loop closes, where what is left of a connection warns of a leak.

    aiohttp does not wait for it where a request was cancelled: it closes the connection and forgets it.
    """
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    before = len(selector.get_map())
    yield
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(selector.get_map()) > before:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.005)


@pytest.fixture
async def namespace(plane: ControlPlane) -> AsyncIterator[str]:
    """One where pods can be created, for this test alone."""
    async with new_namespace(plane) as name:
        yield name


@asynccontextmanager
async def new_namespace(plane: ControlPlane) -> AsyncIterator[str]:
    """Create a namespace where pods can be created, and delete it with what is in it."""
    created = await plane.api("POST", "/api/v1/namespaces", {"metadata": {"generateName": "test-"}})
    name: str = created["metadata"]["name"]
    await plane.until(
        f"/api/v1/namespaces/{name}/serviceaccounts",
        lambda accounts: any(account["metadata"]["name"] == "default" for account in accounts["items"]),
    )
    yield name
    # Those that don't go by themselves would hold the namespace.
    await plane.api("DELETE", f"/api/v1/namespaces/{name}/pods?gracePeriodSeconds=0")
    await plane.api("DELETE", f"/api/v1/namespaces/{name}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """What only a cluster of ours allows is left out on one that was named."""
    try:
        yield
    except NotOursError as error:
        pytest.skip(f"{item.name}: {error}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test is shown with what the parts of the cluster said last."""
    report = yield
    plane = item.config.stash.get(PLANE, None)
    if report.failed and plane is not None and "plane" in getattr(item, "fixturenames", ()):
        for part in plane.parts.values():
            if part.log.exists():
                report.sections.append((f"log of {part.name}", part.tail(LOG_LINES)))
    return report
