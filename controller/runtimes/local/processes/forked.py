"""Processes that a preloaded process has forked: they are not the controller's children."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

STATUS_SECONDS: Final = 5.0
"""How long after a bot's end its status may come. A preloaded process that is stopped never reports it."""


class ForkedProcess:
    """A process that the kernel says is gone. Only how it ended is the word of the one that forked it."""

    def __init__(self, pid: int, descriptor: int, status_seconds: float = STATUS_SECONDS) -> None:
        """Take over the descriptor of the process, which is closed once it is gone."""
        self._pid = pid
        self._descriptor = descriptor
        self._status_seconds = status_seconds
        self._status: int | None = None
        self._has_ended = self._is_settled = False
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(descriptor, self._ended)

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def is_gone(self) -> bool:
        return self._gone.done()

    @property
    def status(self) -> int | None:
        return self._status if self.is_gone else None

    async def wait(self) -> None:
        await asyncio.shield(self._gone)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)
        # A stopped process handles no signal until it is continued. Now it can still say goodbye.
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have this called once it is gone."""
        self._gone.add_done_callback(lambda _: call())

    def settle(self, status: int | None) -> None:
        """Take how it ends; None if nobody will ever say so. Only the first time counts."""
        if not self._is_settled:
            self._is_settled, self._status = True, status
            self._conclude()

    def _ended(self) -> None:
        self._loop.remove_reader(self._descriptor)
        self._has_ended = True
        self._loop.call_later(self._status_seconds, self.settle, None)
        self._conclude()

    def _conclude(self) -> None:
        if self._has_ended and self._is_settled and not self._gone.done():
            os.close(self._descriptor)
            self._gone.set_result(None)

    def _signal(self, number: signal.Signals) -> None:
        if not self.is_gone:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)


def take_forked(pid: int, parent: int) -> ForkedProcess:
    """Return the process with this id, of which only the kernel is believed what it is.

    Raises:
        OSError: it is gone, or not a child of this parent that leads a session of its own.
    """
    descriptor = os.pidfd_open(pid)
    try:
        is_bot = _kinship(pid) == (parent, pid, pid)
    except BaseException:
        os.close(descriptor)
        raise
    if not is_bot:
        os.close(descriptor)
        raise ProcessLookupError(f"Process {pid} is no bot")
    return ForkedProcess(pid, descriptor)


def _kinship(pid: int) -> tuple[int, ...]:
    """Return a process's parent, group and session: proc_pid_stat(5). Its name may contain anything."""
    status = Path(f"/proc/{pid}/stat").read_bytes()
    return tuple(int(each) for each in status.rpartition(b")")[2].split()[1:4])
