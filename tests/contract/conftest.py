"""What the tests of controller and bots share."""

from functools import partial
from pathlib import Path

import pytest

from testing.fakes.controllers.served import ServeController, serve_controller


@pytest.fixture
def serve(tmp_path: Path) -> ServeController:
    """Opens a controller on a free port."""
    return partial(serve_controller, tmp_path)
