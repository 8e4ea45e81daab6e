"""What all tests share."""

import atexit
import os
import sys

import pytest

from tests.searching import register_profiles

# Helpers' assertions show what they compared, as those of the tests themselves do.
pytest.register_assert_rewrite(
    "testing", "tests.attacks.cluster", "tests.local", "tests.cluster", "tests.node"
)

register_profiles()


def pytest_sessionstart(session: pytest.Session) -> None:
    atexit.register(_leave_without_shutdown, session)


def _leave_without_shutdown(session: pytest.Session) -> None:
    """End the process with the session's exit code, before the interpreter shuts down.

    LiveKit's native client keeps its threads when it is closed, and sends its last log lines to Python up to
    a second later. While the interpreter shuts down, CPython (before 3.14) ends such a thread with
    pthread_exit. That unwinds through Rust's frames, and Rust aborts the process: one run in ten ended by
    SIGABRT after its last test had passed (docs/upstream/livekit-exit.md). Exit handlers run last in, first
    out, so those of the libraries that the tests imported have run by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(session.exitstatus)
