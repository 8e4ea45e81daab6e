"""The preloaded processes of this machine's agents: one for each that can have one."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import socket
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from controller.core.agents import AgentVersion
from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.processes.forked import ForkedProcess
from controller.runtimes.local.processes.preloaded import ForkError, ForkOutdatedError, PreloadedProcess
from controller.runtimes.local.processes.spawned import Spawn, Spawner
from podline.contract import environment
from podline.contract.forking import MAX_LAUNCH_ID_CHARACTERS, ForkedStart

log = logging.getLogger("podline.runtimes.local")

PREPARE_SECONDS: Final = 60.0
"""How long imports may take. A bot that takes longer is started alone."""
REFUSED_SECONDS: Final = 600.0
"""How long bots of an agent are started alone before it is tried again: its file may be another by then."""
IDLE_SECONDS: Final = 60.0
"""How long a process without bots is kept. Where bots wait, there are always some."""
_MOST_DEATHS: Final = 3
"""How often in a row it may die before bots are started alone."""
_ATTEMPTS: Final = 2
"""How many processes are asked for a bot: the first may have imported what has changed since."""
_ANY_LAUNCH: Final = "-" * MAX_LAUNCH_ID_CHARACTERS
_LOG_BYTES: Final = 32 * 1024

_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy's wheels would start threads while they are imported. An agent may say otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preload:
    """What a preloaded process is started with. Bots that have all of it in common can be forked from one.

    Attributes:
        agent: whose bots they are.
        command: the runner.
        directory: where it starts; None if each bot has one of its own.
        variables: what they share.
    """

    agent: AgentVersion
    command: tuple[str, ...]
    directory: Path | None
    variables: Mapping[str, str] = field(repr=False)


@dataclass(slots=True, eq=False)
class _OfAgent:
    """What is known of one agent."""

    agent: str
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    preload: Preload | None = None
    process: PreloadedProcess | None = None
    refused_until: float = 0.0
    deaths: int = 0
    logged: str | None = None


class Preloads:
    """Keeps the processes that bots are forked from, and ends those that no bot needs."""

    def __init__(
        self,
        *,
        spawner: Spawner,
        guardian: Guardian,
        directory: Path,
        own: Callable[[Coroutine[Any, Any, None]], None],
        problem: str | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """Start nothing yet.

        Args:
            spawner: starts them.
            guardian: ends them if the controller can't.
            directory: exists, and gets one for each.
            own: runs work in the background.
            problem: why no process can be forked here, as the end of a sentence.
            idle_seconds: how long a process without bots is kept.
        """
        self._spawner = spawner
        self._guardian = guardian
        self._directory = directory
        self._own = own
        self._problem = problem
        self._idle_seconds = idle_seconds
        self._agents: dict[str, _OfAgent] = {}
        self._numbers = itertools.count(1)

    async def fork(
        self, preload: Preload, start: ForkedStart, log_: BoundedLog, output: int
    ) -> ForkedProcess | None:
        """Have a bot forked. Return None if it has to be started alone; why is logged once.

        Args:
            preload: what it shares with others.
            start: what it has of its own.
            log_: begins with what was written while importing.
            output: where it writes.
        """
        of = self._agents.setdefault(preload.agent.name, _OfAgent(preload.agent.name))
        for _ in range(_ATTEMPTS):
            async with of.lock:
                process = await self._prepared(of, preload)
            if process is None:
                return None
            try:
                bot = await process.fork(output, start, self._guardian.add)
            except ForkOutdatedError:
                self._retire(of, process)
            except ForkError:
                self._end_if_idle(of, process)
                return None
            else:
                of.deaths = 0
                with suppress(OSError):
                    log_.write(process.said())
                return bot
        self._refuse(of, "it reads files that change while it is imported")
        return None

    async def _prepared(self, of: _OfAgent, preload: Preload) -> PreloadedProcess | None:
        """Return the process to fork, which may have to be started; None if there is none."""
        if of.process is not None and of.preload != preload:
            self._retire(of, of.process)
        if of.process is None:
            if self._is_refused(of, preload):
                return None
            of.preload = preload
            try:
                of.process = await self._start(of, preload)
            except OSError as error:
                self._refuse(of, f"it can't be started: {error.strerror}")
                return None
        process = of.process
        problem: str | None = f"it was not prepared within {PREPARE_SECONDS:g} s"
        with suppress(TimeoutError):
            async with asyncio.timeout(PREPARE_SECONDS):
                problem = await asyncio.shield(process.prepared)
        if problem is not None:
            self._refuse(of, problem)
            return None
        return process

    def _is_refused(self, of: _OfAgent, preload: Preload) -> bool:
        if self._problem is not None:
            self._refuse(of, self._problem)
        elif of.deaths >= _MOST_DEATHS:
            of.deaths = 0
            self._refuse(of, f"it ended {_MOST_DEATHS} times")
        else:
            return of.preload == preload and asyncio.get_running_loop().time() < of.refused_until
        return True

    def _refuse(self, of: _OfAgent, problem: str) -> None:
        """Note that bots of this agent are started alone for a while, and why."""
        of.refused_until = asyncio.get_running_loop().time() + REFUSED_SECONDS
        if of.process is not None:
            self._retire(of, of.process)
        if of.logged != problem:
            of.logged = problem
            log.info("bots not forked", extra={"agent": of.agent, "problem": problem})

    async def _start(self, of: _OfAgent, preload: Preload) -> PreloadedProcess:
        directory = self._directory / f"preloaded-{next(self._numbers)}"
        directory.mkdir(mode=0o700)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reading, writing = os.pipe()
        spawn = Spawn(
            command=preload.command,
            directory=preload.directory or directory,
            variables={
                **_ONE_THREAD,
                **preload.variables,
                environment.LAUNCH_ID: _ANY_LAUNCH,
                environment.FORKS: str(theirs.fileno()),
            },
            output=writing,
            descriptors=(theirs.fileno(),),
        )
        try:
            spawned = await self._spawner.spawn(spawn)
        except OSError:
            ours.close()
            os.close(reading)
            shutil.rmtree(directory, ignore_errors=True)
            raise
        finally:
            theirs.close()
            os.close(writing)
        self._guardian.add(spawned.pid)
        process = PreloadedProcess(
            spawned, ours, reading, BoundedLog(directory, _LOG_BYTES), lambda: self._end_if_idle(of, process)
        )
        self._own(self._run(of, process, directory))
        return process

    async def _run(self, of: _OfAgent, process: PreloadedProcess, directory: Path) -> None:
        try:
            await process.run()
        finally:
            self._guardian.remove(process.pid)
            shutil.rmtree(directory, ignore_errors=True)
        if of.process is process and process.prepared.result() is None:
            log.warning("preloaded process lost", extra={"agent": of.agent, "pid": process.pid})
            of.process = None
            of.deaths += 1

    def _retire(self, of: _OfAgent, process: PreloadedProcess) -> None:
        """Have no more bots forked from this process. It ends once it has none."""
        if of.process is process:
            of.process = None
        self._end_if_idle(of, process)

    def _end_if_idle(self, of: _OfAgent, process: PreloadedProcess) -> None:
        """End a process without bots: soon if it may get some, at once if it won't."""
        if process.has_bots:
            return
        if of.process is not process:
            process.close()
            return
        forks = process.forks

        def end() -> None:
            if of.process is process and process.forks == forks:
                self._retire(of, process)

        asyncio.get_running_loop().call_later(self._idle_seconds, end)
