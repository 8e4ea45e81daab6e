"""Ends this process as Ctrl-C does once its standard input ends: whoever started it asks so, or is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading


def interrupt_at_end_of_input() -> None:
    """Watch the standard input from a thread."""
    threading.Thread(target=_wait_and_interrupt, daemon=True).start()


def _wait_and_interrupt() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)
