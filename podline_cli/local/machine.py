"""A controller on this machine with what it needs: started in order, shown, and ended together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from podline_cli.local.bots import LocalBot, place_among_agents, variables_for, write_variables
from podline_cli.local.calls import CallLines
from podline_cli.local.descendants import adopt_orphans, end_orphans
from podline_cli.local.guard import Guard
from podline_cli.local.ports import answers_ready
from podline_cli.local.programs import LocalProgram
from podline_cli.local.prometheus import Prometheus
from podline_cli.local.variable_files import read_variables
from podline_cli.steps import step

GRACE_SECONDS: Final = 3
"""What a bot gets for its goodbye; the rest of `STOP_SECONDS` is the controller's."""
STOP_SECONDS: Final = 4.0
SANDBOX_STOP_SECONDS: Final = 0.5
PROMETHEUS_STOP_SECONDS: Final = 0.5
SANDBOX_FILE: Final = "sandbox.env"


@dataclass(frozen=True)
class Plan:
    """What is to run, and where.

    Attributes:
        port: the controller's.
        with_sandbox: whether stand-ins for the model and the store run as well.
        bot: the bot to call; None for the shopping assistant and the agents that the settings name.
        prometheus: beside it, if wanted.
        prices: a price file to use, where the person has named none.
        directory: where the programs start; the controller reads `.env` there.
        logs: a directory for what the programs say.
        scratch: a directory that goes with the command.
    """

    port: str
    with_sandbox: bool
    bot: LocalBot | None
    prometheus: Prometheus | None
    prices: Path | None
    directory: Path
    logs: Path
    scratch: Path


async def run(plan: Plan, welcome: str) -> None:
    """Run until Ctrl-C or SIGTERM; print the welcome once all is ready, then a line for each step of a call.

    Raises:
        CommandError: A part of it ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    adopt_orphans()
    machine = LocalPrograms(plan, await Guard.start(plan.scratch, STOP_SECONDS))
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(machine.start())
    showing: asyncio.Task[None] | None = None
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print_line(welcome)
            showing = asyncio.create_task(CallLines(plan.port, print_line).run())
            await machine.until_one_ends(stopping)
    finally:
        tasks = [task for task in (stopping, starting, showing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print_line("Ending ...")
        await machine.stop()


class LocalPrograms:
    """The programs of a plan."""

    def __init__(self, plan: Plan, guard: Guard) -> None:
        """Start nothing yet. The guard ends all of them should this process be killed."""
        self._plan = plan
        self._guard = guard
        self._programs: list[LocalProgram] = []

    async def start(self) -> None:
        """Start what is needed, in order."""
        plan = self._plan
        sandbox = await self._start_sandbox() if plan.with_sandbox else {}
        variables = {
            "PODLINE_PORT": plan.port,
            "PODLINE_GRACE_SECONDS": str(GRACE_SECONDS),
            "PODLINE_SHOW_ERRORS": "true",
            **sandbox,
        }
        if plan.prices is not None:
            variables["PODLINE_PRICES_FILE"] = str(plan.prices)
        if plan.bot is not None:
            agents = plan.scratch / "agents"
            place_among_agents(plan.bot, agents)
            write_variables(plan.bot, agents, variables_for(plan.bot, os.environ, sandbox))
            variables |= {"PODLINE_AGENTS": str(agents), "PODLINE_DEFAULT_AGENT": plan.bot.name}
        with step("Starting the controller"):
            command = [str(Path(sys.executable).parent / "podline"), "serve"]
            controller = await self._start("controller", command, variables, STOP_SECONDS)
            await controller.until(lambda: answers_ready(plan.port, "/readyz"))
        if plan.prometheus is not None:
            await self._start_prometheus(plan.prometheus)

    async def until_one_ends(self, stopping: asyncio.Task[bool]) -> None:
        """Return when the person wants to stop.

        Raises:
            CommandError: A program ended by itself.
        """
        ends = {asyncio.create_task(program.process.wait()): program for program in self._programs}
        try:
            done, _ = await asyncio.wait({stopping, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
        if stopping not in done:
            raise next(program for end, program in ends.items() if end in done).ended()

    async def stop(self) -> None:
        """End the controller, which ends its bots, then the sandbox, which they need for their goodbye."""
        for program in reversed(self._programs):
            await program.stop()
            self._guard.remove(program.process.pid)
        await self._guard.close()
        end_orphans()

    async def _start_sandbox(self) -> Mapping[str, str]:
        """Start the stand-ins; return the variables by which they are reached."""
        written = self._plan.logs / SANDBOX_FILE

        async def is_written() -> bool:
            return written.exists()

        with step("Starting the sandbox: a model and a store on this machine"):
            command = [sys.executable, "-m", "sandbox", "--directory", str(self._plan.logs)]
            sandbox = await self._start("sandbox", command, {}, SANDBOX_STOP_SECONDS)
            await sandbox.until(is_written)
        return read_variables(written)

    async def _start_prometheus(self, prometheus: Prometheus) -> None:
        with step("Starting Prometheus"):
            prometheus.configure()
            program = await self._start("Prometheus", prometheus.command, {}, PROMETHEUS_STOP_SECONDS)
            await program.until(lambda: answers_ready(prometheus.port, "/-/ready"))

    async def _start(
        self, name: str, command: list[str], variables: Mapping[str, str], stop_seconds: float
    ) -> LocalProgram:
        program = await LocalProgram.start(
            name,
            command,
            variables,
            self._plan.logs / f"{name.lower()}.log",
            directory=self._plan.directory,
            stop_seconds=stop_seconds,
        )
        self._programs.append(program)
        self._guard.add(program.process.pid)
        return program


def print_line(line: str | Text) -> None:
    """Print a line, unless nobody is there to read it."""
    with suppress(OSError):
        Console(highlight=False, markup=False, emoji=False).print(line, soft_wrap=True)
        sys.stdout.flush()
