"""One speech engine for all tests: a process can have no second."""

import pytest

from sandbox.voice import Voice


@pytest.fixture(scope="session")
def voice() -> Voice:
    return Voice()
