"""The cluster's fixtures, for the tests of this folder."""

from __future__ import annotations

import pytest

from tests.cluster import fixtures


def pytest_configure(config: pytest.Config) -> None:
    fixtures.load(config)


@pytest.fixture(autouse=True)
def connections_end(ended_connections: None) -> None:
    """Every test here ends with no connection open."""
