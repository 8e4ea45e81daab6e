"""Its tests share one cluster with the attacks on nodes."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.import_plugin("tests.node.fixtures")
