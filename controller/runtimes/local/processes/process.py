"""A bot's process, whichever way it was started."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Protocol


class Process(Protocol):
    """A process that leads a session and a group of its own."""

    @property
    def pid(self) -> int:
        """Its id, which is also its group's."""

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, and its status is known if it ever will be."""

    @property
    def status(self) -> int | None:
        """Its exit code, or the number of a signal below zero; None if it runs, or nobody knows."""

    async def wait(self) -> None:
        """Wait until it is gone."""

    def terminate(self) -> None:
        """Ask it to end, even if it is stopped. One that is gone is not an error."""


def kill_group(leader: int) -> None:
    """Kill the rest of a process group. An empty group is not an error."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
