"""The controllers and warm bots that the tests of this folder share: each test leaves the pool full."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from testing.cluster.control_plane import ControlPlane
from testing.cluster.warm.shop import WarmShop, warm_shop
from tests.cluster.fixtures import connections_that_end, new_namespace


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def shop(plane: ControlPlane) -> AsyncIterator[WarmShop]:
    async with (
        connections_that_end(),
        new_namespace(plane) as namespace,
        warm_shop(plane, namespace) as opened,
    ):
        yield opened
