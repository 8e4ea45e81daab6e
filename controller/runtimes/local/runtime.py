"""Bots as processes on this machine, each in a process group and a working directory of its own.

None outlives the controller: it ends them when it shuts down, and the guardian ends those of a controller
that is killed.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from controller.core.agents import AgentVersion
from controller.core.endings import ending_for
from controller.core.errors import NotClaimed, RuntimeUnavailable
from controller.core.primitives.clock import Clock
from controller.core.runtime import INSTALLATION_CHARACTERS, Exit, Launch, Observation
from controller.core.session import Ending, Session
from controller.core.warm import WarmLaunch
from controller.runtimes.empty_log import empty_log
from controller.runtimes.final_report import read_final_report
from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.installation import LocalInstallation
from controller.runtimes.local.memory import oom_kills
from controller.runtimes.local.output import copy_output
from controller.runtimes.local.processes.process import Process, kill_group
from controller.runtimes.local.processes.starter import BotStart, ProcessStarter
from controller.runtimes.local.programs import BotProgram
from controller.runtimes.local.strays import kill_strays
from controller.runtimes.observation_queue import ObservationQueue
from podline.contract import environment
from podline.contract.reasons import Reason

log = logging.getLogger("podline.runtimes.local")

_LAST_WORD: Final = "last-word.json"
_OUTPUT_SECONDS: Final = 1.0
"""How long reading the rest of the pipe may take after the bot is gone."""


@dataclass(slots=True, eq=False)
class _BotProcess:
    """One bot, running or gone.

    Attributes:
        session_id: the session that it is for; None for a warm bot that waits for one.
    """

    process: Process
    directory: Path
    log: BoundedLog
    oom_kills_before: int
    session_id: str | None
    asked_to_leave: asyncio.Event = field(default_factory=asyncio.Event)


class LocalRuntime:
    """Runs one process for each launch."""

    outlives_us = False

    def __init__(  # noqa: PLR0913 - the parts it is composed of
        self,
        *,
        program_of: Callable[[AgentVersion], BotProgram],
        directory: Path,
        grace_seconds: float,
        keep_ended_seconds: float,
        clock: Clock,
        memory_megabytes: int | None = None,
        memory_events: Path | None = None,
        state: Path | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            program_of: what runs the bots of an agent.
            directory: exists and gets a working directory for each launch. It is removed with the controller.
            grace_seconds: from SIGTERM to SIGKILL.
            keep_ended_seconds: how long the log of a bot outlives it.
            clock: gives the time of each observation.
            memory_megabytes: the limit of a bot's data (RLIMIT_DATA, in MiB).
            memory_events: the kernel's count of processes killed because memory ran out, if there is one.
            state: where the installation's id is kept; if None, each runtime has another.
        """
        self._program_of = program_of
        self._directory = directory
        self._grace_seconds = grace_seconds
        self._keep_ended_seconds = keep_ended_seconds
        self._clock = clock
        self._memory_megabytes = memory_megabytes
        self._memory_events = memory_events
        self._installation = LocalInstallation(state, lambda: secrets.token_hex(INSTALLATION_CHARACTERS // 2))
        self._bots: dict[str, _BotProcess] = {}
        self._starting: set[str] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._guardian: Guardian | None = None
        self._starter: ProcessStarter | None = None
        self._observations: ObservationQueue[Observation] = ObservationQueue()

    def installation_id(self) -> str:
        return self._installation.id

    def watch(self) -> AsyncGenerator[Observation, None]:
        return self._observations.read_during(self._run())

    async def _run(self) -> None:
        self._guardian = guardian = Guardian(self._directory, self._grace_seconds)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._starter = ProcessStarter(
                    program_of=self._program_of,
                    guardian=guardian,
                    directory=self._directory,
                    memory_megabytes=self._memory_megabytes,
                    own=lambda work: _own(tasks, work),
                )
                await guardian.run()
        finally:
            self._tasks = None
            self._installation.close()
            await self._guardian.close()

    def not_ready_reason(self) -> str | None:
        is_able = self._tasks is not None and self._guardian is not None and self._guardian.is_able
        return None if is_able else "Bots cannot be launched right now. Try again in a few seconds."

    async def look_for(self, launch_id: str) -> None:
        """Find nothing: no other controller starts bots of ours."""

    async def launch(self, launch: Launch) -> None:
        own = {**launch.environment, **(launch.secrets or {})}
        await self._start(launch.session.launch_id, launch.session.id, launch.agent, {}, own)

    async def launch_warm(self, launch: WarmLaunch) -> None:
        launch_id = launch.bot.launch_id
        own = {**launch.secrets, environment.LAUNCH_ID: launch_id}
        await self._start(launch_id, None, launch.agent, launch.environment, own)

    async def claim(self, launch: Launch) -> None:
        session = launch.session
        bot = self._bots.get(session.launch_id)
        if bot is None or bot.process.is_gone or bot.asked_to_leave.is_set():
            raise NotClaimed("Its process is gone, or about to be.")
        if bot.session_id not in (None, session.id):
            raise NotClaimed("It is another session's.")
        bot.session_id = session.id

    async def give_up(self, launch_id: str) -> None:
        if bot := self._bots.get(launch_id):
            bot.asked_to_leave.set()

    async def _start(
        self,
        launch_id: str,
        session_id: str | None,
        agent: AgentVersion,
        shared: Mapping[str, str],
        own: Mapping[str, str],
    ) -> None:
        """Start a process with variables that it shares with others and some of its own."""
        if self._tasks is None or self._guardian is None or self._starter is None:
            raise RuntimeUnavailable("The local runtime is not running.")
        if launch_id in self._bots or launch_id in self._starting:
            return
        log_ = self._make_directory(self._directory / launch_id)
        start = BotStart(
            agent=agent,
            variables=shared,
            own={**own, environment.LAST_WORD: str(log_.directory / _LAST_WORD)},
            log=log_,
            waits=session_id is None,
        )
        oom_kills_before = oom_kills(self._memory_events)
        self._starting.add(launch_id)
        try:
            process, output = await self._starter.start(start)
        except OSError as error:
            log_.close()
            shutil.rmtree(log_.directory, ignore_errors=True)
            raise RuntimeUnavailable(f"The bot's process could not be started: {error.strerror}.") from error
        finally:
            self._starting.remove(launch_id)
        if self._tasks is None:
            # The controller has shut down in the meantime, and the guardian with it.
            kill_group(process.pid)
            raise RuntimeUnavailable("The local runtime has shut down.")
        self._guardian.add(process.pid)
        self._bots[launch_id] = bot = _BotProcess(process, log_.directory, log_, oom_kills_before, session_id)
        self._tasks.create_task(self._watch(launch_id, bot, output, self._guardian))

    async def stop(self, session: Session, intent: Ending) -> None:  # noqa: ARG002 - processes keep no record
        if bot := self._bots.get(session.launch_id):
            bot.asked_to_leave.set()

    def record(self, session: Session) -> None:
        """Keep nothing: no other controller adopts these bots."""

    async def logs(self, launch_id: str, *, follow: bool) -> AsyncIterator[bytes]:
        bot = self._bots.get(launch_id)
        return empty_log() if bot is None else bot.log.read(follow=follow)

    def _make_directory(self, directory: Path) -> BoundedLog:
        try:
            directory.mkdir(mode=0o700)
            return BoundedLog(directory)
        except OSError as error:
            shutil.rmtree(directory, ignore_errors=True)
            raise RuntimeUnavailable(
                f"The bot's working directory could not be created: {error.strerror}. "
                "Check the disk that TMPDIR is on."
            ) from error

    async def _watch(self, launch_id: str, bot: _BotProcess, output: int, guardian: Guardian) -> None:
        """Observe one bot until it is gone, and clean up once its log has been kept long enough."""
        self._observations.put(Observation(launch_id=launch_id, scheduled=self._clock.now()))
        try:
            async with asyncio.TaskGroup() as tasks:
                copying = tasks.create_task(copy_output(output, bot.log))
                stopping = tasks.create_task(self._stop_when_asked(bot))
                await self._until_gone(launch_id, bot, guardian)
                stopping.cancel()
                await asyncio.wait([copying], timeout=_OUTPUT_SECONDS)
                copying.cancel()
        finally:
            bot.log.close()
        self._observations.put(Observation(launch_id=launch_id, exit=self._exit(bot)))
        await asyncio.sleep(self._keep_ended_seconds)
        del self._bots[launch_id]
        shutil.rmtree(bot.directory, ignore_errors=True)

    async def _until_gone(self, launch_id: str, bot: _BotProcess, guardian: Guardian) -> None:
        try:
            await bot.process.wait()
        finally:
            # Even if the controller is shutting down in haste: no process outlives it.
            kill_group(bot.process.pid)
            kill_strays(launch_id)
            await bot.process.wait()
            guardian.remove(bot.process.pid)

    async def _stop_when_asked(self, bot: _BotProcess) -> None:
        await bot.asked_to_leave.wait()
        bot.process.terminate()
        await asyncio.sleep(self._grace_seconds)
        log.warning("bot killed after the grace period", extra={"pid": bot.process.pid})
        kill_group(bot.process.pid)

    def _exit(self, bot: _BotProcess) -> Exit:
        code = bot.process.status
        now = self._clock.now()
        final_report, written = read_final_report(bot.directory / _LAST_WORD) or (None, now)
        # The kernel's SIGKILL looks like any other. Only its own count shows that it was the kernel's.
        is_out_of_memory = code == -signal.SIGKILL and oom_kills(self._memory_events) > bot.oom_kills_before
        return Exit(
            at=min(written, now),
            process_failure=ending_for(Reason.OUT_OF_MEMORY) if is_out_of_memory else None,
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            final_report=final_report,
        )


def _own(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
    tasks.create_task(work)
