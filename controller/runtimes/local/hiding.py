"""Keeps this process's environment and memory from the bots beside it, which run as the same user."""

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
    """Let none but root look into this process by /proc or ptrace; it leaves no core dump either.

    On Linux alone. A program that is started from here is visible again, so it must be given no secret.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        log.warning("own process not hidden from bots", extra={"error": os.strerror(ctypes.get_errno())})
