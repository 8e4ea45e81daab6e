"""A watch over the event loop: code that blocks it stops the whole call, and no task can notice that."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TICK_SECONDS: Final = 1.0
BLOCKED_TICKS: Final = 10
"""How many ticks the loop may miss. A controller gives a bot up that has sent nothing for 20 s."""


@dataclass(frozen=True)
class Blocked:
    """Where the event loop was blocked.

    Attributes:
        objects: The objects whose methods are running, innermost first.
        lines: The lines of code, innermost first.
    """

    objects: tuple[Any, ...]
    lines: tuple[tuple[Path, int], ...]

    @property
    def through(self) -> str:
        """All lines, for the log."""
        return " < ".join(f"{file.name}:{number}" for file, number in self.lines)

    def line_below(self, directory: Path) -> str | None:
        """Return the innermost line of a file in this directory, as words; None if there is none."""
        own = (f"{file.name}, line {number}" for file, number in self.lines if file.is_relative_to(directory))
        return next(own, None)


def processor_waits() -> Callable[[], float]:
    """Return a function that returns for how many seconds the current thread has waited for a processor.

    It is the second number of Linux' schedstat. Where the kernel doesn't count that, it is always 0.
    """
    counts = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")

    def waited() -> float:
        try:
            return int(counts.read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            return 0.0

    return waited


@contextlib.asynccontextmanager
async def watched_loop(
    blocked: Callable[[Blocked], None],
    tick_seconds: float = TICK_SECONDS,
    waited_for_processor: Callable[[], float] | None = None,
) -> AsyncIterator[None]:
    """Watch the running loop from a thread; call `blocked` there, once, if it misses too many ticks.

    It counts ticks, not seconds, and no time in which the loop's thread waited for a processor: a process
    that was frozen, or shares its processors with too many others, is not to blame.
    """
    ticks = 0
    over = threading.Event()
    loop_thread = threading.get_ident()
    waited = waited_for_processor or processor_waits()

    async def beat() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(tick_seconds)

    def watch() -> None:
        seen, missed, waited_before = 0, 0, waited()
        while not over.wait(tick_seconds):
            if ticks != seen:
                seen, missed, waited_before = ticks, 0, waited()
                continue
            missed += 1
            starved = (waited() - waited_before) / tick_seconds
            if missed - starved >= BLOCKED_TICKS:
                blocked(_where(loop_thread))
                return

    beating = asyncio.create_task(beat(), name="heartbeat of the event loop")
    threading.Thread(target=watch, name="watch over the event loop", daemon=True).start()
    try:
        yield
    finally:
        over.set()
        beating.cancel()


def _where(thread: int) -> Blocked:
    """Return what a thread is doing."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
    frames = [each for each, _line in traceback.walk_stack(frame)]
    objects = tuple(each.f_locals["self"] for each in frames if "self" in each.f_locals)
    return Blocked(objects, tuple((Path(each.f_code.co_filename), each.f_lineno) for each in frames))
