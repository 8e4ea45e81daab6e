"""The fixtures and the one control plane of tests/cluster, for thieves of the controller's token."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from testing.cluster import admission
from testing.cluster.admission import Account
from testing.cluster.control_plane import ControlPlane
from tests.cluster import fixtures


def pytest_configure(config: pytest.Config) -> None:
    fixtures.load(config)


@pytest.fixture(autouse=True)
def connections_end(ended_connections: None) -> None:
    """Every test here ends with no connection open."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(plane: ControlPlane) -> AsyncIterator[Account]:
    """The account where production's rules are in force, with entries of each form in the list of images."""
    namespace = await new_namespace(plane)
    yield await admission.install_guarded(
        plane,
        namespace,
        images="registry.example.com/voice/\nregistry.example.com/pinned:1",
        secrets="podline-store",
    )
    await admission.remove_policies(plane)
    await plane.kubectl("delete", "namespace", namespace, "--wait=false")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def unguarded(plane: ControlPlane) -> AsyncIterator[Account]:
    """The same account where no policy limits it: what an attack shows there, only the policies prevent."""
    namespace = await new_namespace(plane)
    yield await admission.install_account(plane, namespace)
    await plane.kubectl("delete", "namespace", namespace, "--wait=false")


async def new_namespace(plane: ControlPlane) -> str:
    created = await plane.api("POST", "/api/v1/namespaces", {"metadata": {"generateName": "attacked-"}})
    name: str = created["metadata"]["name"]
    return name
