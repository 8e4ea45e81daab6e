"""Says on the standard error how far it has come, since all of it takes some minutes."""

from __future__ import annotations

import sys


def report(what: str) -> None:
    """Replace the previous line, if this is a terminal."""
    sys.stderr.write(f"\r\x1b[K{what} ..." if sys.stderr.isatty() else f"{what} ...\n")
    sys.stderr.flush()


def done() -> None:
    """Leave the line to what is printed next."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
