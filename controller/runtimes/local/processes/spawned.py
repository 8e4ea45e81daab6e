"""Processes that the controller starts itself."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_SHELL: Final = "/bin/sh"
_ANNOUNCE_AND_RUN: Final = 'echo "+$$" >&0 && exec "$@" < /dev/null'
"""Run by the shell that becomes the bot. With the guardian's pipe as its standard input, it announces the
process group before the bot exists, so that a killed controller never leaves an unknown one."""


class SpawnedProcess:
    """A child of the controller."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_gone(self) -> bool:
        return self._process.returncode is not None

    @property
    def status(self) -> int | None:
        return self._process.returncode

    async def wait(self) -> None:
        await self._process.wait()

    def terminate(self) -> None:
        if self.is_gone:
            return
        with suppress(ProcessLookupError):
            # Not by the process's own method: its second call would reap a bot that is gone at once, and
            # asyncio could not learn any more how it ended.
            os.kill(self.pid, signal.SIGTERM)
            # A stopped process handles no signal until it is continued. Now it can still say goodbye.
            os.kill(self.pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """A program to start.

    Attributes:
        command: the program and its arguments.
        directory: where it starts.
        variables: all that it has.
        output: where it writes.
        descriptors: that it inherits beside that.
    """

    command: tuple[str, ...]
    directory: Path
    variables: Mapping[str, str] = field(repr=False)
    output: int
    descriptors: tuple[int, ...] = ()


class Spawner:
    """Starts processes, each with a session and a group of its own that the guardian hears of first."""

    def __init__(self, entrance: int, memory_megabytes: int | None) -> None:
        """Start nothing yet.

        Args:
            entrance: the guardian's pipe.
            memory_megabytes: the limit of a process's data (RLIMIT_DATA, in MiB), which its forks inherit.
        """
        self._entrance = entrance
        self._script = _ANNOUNCE_AND_RUN
        if memory_megabytes is not None:
            self._script = f"ulimit -d {memory_megabytes * 1024} && {self._script}"

    async def spawn(self, spawn: Spawn) -> SpawnedProcess:
        """Start a program.

        Raises:
            OSError: it can't be started.
        """
        if shutil.which(spawn.command[0]) is None:
            # The shell could report this only in the bot's log.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        process = await asyncio.create_subprocess_exec(
            *(_SHELL, "-c", self._script, "podline", *spawn.command),
            stdin=self._entrance,
            stdout=spawn.output,
            stderr=spawn.output,
            cwd=spawn.directory,
            env=spawn.variables,
            pass_fds=spawn.descriptors,
            start_new_session=True,
        )
        return SpawnedProcess(process)
