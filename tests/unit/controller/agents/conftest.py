"""The cluster that agents are defined in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from controller.agents.cluster.secret_sets import CONFIG_MAP as SECRET_SETS
from controller.agents.cluster.version_store import CONFIG_MAP
from testing.fakes.kubernetes.api_server import ApiServer, serve_api


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with serve_api() as serving:
        for name in (CONFIG_MAP, SECRET_SETS):
            serving.objects.create("configmaps", "podline", {"metadata": {"name": name}})
        yield serving
