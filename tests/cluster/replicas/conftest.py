"""The replicas that the tests of this folder share: each test leaves both of them ready."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from testing.cluster.control_plane import ControlPlane
from testing.cluster.replicas import Replicas, two_replicas
from tests.cluster.fixtures import new_namespace


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replicas(plane: ControlPlane) -> AsyncIterator[Replicas]:
    async with new_namespace(plane) as namespace, two_replicas(plane, namespace) as both:
        yield both
