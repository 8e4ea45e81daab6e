"""The start of a bot: forked if it waits for its session and that is safe, and spawned otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from controller.core.agents import AgentVersion
from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.processes.preloads import Preload, Preloads
from controller.runtimes.local.processes.process import Process
from controller.runtimes.local.processes.spawned import Spawn, Spawner
from controller.runtimes.local.programs import BotProgram
from podline.contract.forking import ForkedStart

_NO_FORKS: Final = None if sys.platform == "linux" else "only Linux shows whether that is safe"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStart:
    """A process to start.

    Attributes:
        agent: whose bot it is.
        variables: that bots of this agent have in common, if they wait.
        own: that only this one has.
        log: that it writes.
        waits: True if it has no session yet.
    """

    agent: AgentVersion
    variables: Mapping[str, str] = field(repr=False)
    own: Mapping[str, str] = field(repr=False)
    log: BoundedLog
    waits: bool


class ProcessStarter:
    """Starts the processes of bots, in the directories of their logs unless their agents have one."""

    def __init__(
        self,
        *,
        program_of: Callable[[AgentVersion], BotProgram],
        guardian: Guardian,
        directory: Path,
        memory_megabytes: int | None,
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Start nothing yet.

        Args:
            program_of: what runs the bots of an agent.
            guardian: hears of each process before it runs.
            directory: exists; processes that bots are forked from get directories in it.
            memory_megabytes: the limit of a bot's data (RLIMIT_DATA, in MiB).
            own: runs work in the background.
        """
        self._program_of = program_of
        self._spawner = Spawner(guardian.entrance, memory_megabytes)
        self._preloads = Preloads(
            spawner=self._spawner, guardian=guardian, directory=directory, own=own, problem=_NO_FORKS
        )

    async def start(self, start: BotStart) -> tuple[Process, int]:
        """Start a process. Return it with the reading end of its output.

        Raises:
            OSError: it can't be started.
        """
        program = self._program_of(start.agent)
        reading, writing = os.pipe()
        try:
            process: Process | None = None
            if start.waits and program.can_preload:
                process = await self._fork(program, start, writing)
            if process is None:
                process = await self._spawn(program, start, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return process, reading

    async def _spawn(self, program: BotProgram, start: BotStart, output: int) -> Process:
        spawn = Spawn(
            command=program.command,
            directory=program.directory or start.log.directory,
            variables={**program.defaults, **start.variables, **start.own, **program.variables},
            output=output,
        )
        return await self._spawner.spawn(spawn)

    async def _fork(self, program: BotProgram, start: BotStart, output: int) -> Process | None:
        """Return a process like one that is spawned; None if none can be forked."""
        all_variables = {**program.defaults, **start.variables, **program.variables}
        preload = Preload(
            agent=start.agent,
            command=program.command,
            directory=program.directory,
            variables={name: value for name, value in all_variables.items() if name not in start.own},
        )
        directory = None if program.directory is not None else str(start.log.directory)
        forked = ForkedStart(dict(start.own), directory)
        return await self._preloads.fork(preload, forked, start.log, output)
