"""What attacks share: a controller that is served, with the fake bot."""

from functools import partial
from pathlib import Path

import pytest

from testing.callers.browsing import chromium_here
from testing.fakes.controllers.served import ServeController, serve_controller


@pytest.fixture(scope="session")
def chromium() -> Path:
    return chromium_here()


@pytest.fixture
def serve(tmp_path: Path) -> ServeController:
    """Opens a controller on a free port."""
    return partial(serve_controller, tmp_path)
