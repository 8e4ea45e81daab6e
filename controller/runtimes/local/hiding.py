"""Protection of this process's environment and memory from bots, which run as the same user."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from typing import Final

log = logging.getLogger("podline.runtimes.local")

_PR_SET_DUMPABLE: Final = 4
"""https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html"""


def hide_this_process() -> None:
    """Let only root inspect this process through /proc or ptrace. It also leaves no core dump.

    This works on Linux only. A program started from here is visible again, so it must get no secret.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("own process not hidden from bots", extra={"error": os.strerror(ctypes.get_errno())})
