"""Processes that left the group of the bot that started them, as daemons do."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from podline.contract import environment

_PROCESSES: Final = Path("/proc")


def kill_strays(launch_id: str) -> None:
    """Kill every process that inherited this launch's id. Only Linux shows the environment of processes.

    In a pod the container's end does this. A process that was started without the variable is not found.
    """
    mark = f"{environment.LAUNCH_ID}={launch_id}".encode()
    for entry in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
