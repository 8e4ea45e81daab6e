"""Whether this process may be forked: what a child would share with it, or would lack."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

_PROCESS: Final = Path("/proc/self")
_STANDARD_STREAMS: Final = frozenset({0, 1, 2})
_DEVICES: Final = "/dev/"
_MOST_NAMED: Final = 5


def why_unsafe(own: Collection[int] = ()) -> str | None:
    """Return why this process must not be forked, as the end of a sentence; None if it may be.

    A child has none of its parent's other threads, whose locks stay locked. And it shares what is open: of
    two processes with one connection, database or event loop, each would disturb the other.

    Args:
        own: descriptors that are known to be in order.
    """
    if len(threads := _threads()) > 1:
        return f"it has threads: {', '.join(threads[:_MOST_NAMED])}"
    shared = sorted(set(_open_for_more_than_reading({*own, *_STANDARD_STREAMS})))
    return f"it holds open: {', '.join(shared[:_MOST_NAMED])}" if shared else None


def _threads() -> list[str]:
    """Return the names that the kernel has for this process's threads."""
    return [(each / "comm").read_text(errors="replace").strip() for each in (_PROCESS / "task").iterdir()]


def _open_for_more_than_reading(known: Collection[int]) -> list[str]:
    names = []
    for link in list((_PROCESS / "fd").iterdir()):
        number = int(link.name)
        try:
            target = str(link.readlink())
            mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
        except OSError:
            # The one that listed the others is closed.
            continue
        is_only_read = target.startswith("/") and mode == os.O_RDONLY
        if number not in known and not is_only_read and not target.startswith(_DEVICES):
            names.append(target)
    return names
