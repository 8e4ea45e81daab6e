"""A spoken call on this machine: start sandbox and controller, say where to click, end all on Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Annotated, Final

import typer
from dotenv import dotenv_values

from controller.runtimes.local.guardian import Guardian
from podline.contract import environment
from podline_cli.errors import CommandError
from podline_cli.steps import step
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT, failed
from scripts.commands.running.needs import ensure_prometheus
from scripts.commands.running.processes import adopt_orphans, end_orphans
from testing.servers.demo_prometheus import Prometheus, find_program

EXAMPLE_PRICES: Final = ROOT / "deploy" / "prices.example.toml"
DEFAULT_PORT: Final = "7860"
DEFAULT_PROMETHEUS_PORT: Final = "7870"
"""Not 9090: that is taken where Debian's package is installed, which starts a Prometheus of its own."""
GRACE_SECONDS: Final = 3
"""What a bot gets for its goodbye; the rest of `STOP_SECONDS` is the controller's."""

START_SECONDS: Final = 60
STOP_SECONDS: Final = 4.0
SANDBOX_STOP_SECONDS: Final = 0.5
PROMETHEUS_STOP_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Plan:
    """What is to run, and where.

    Attributes:
        port: the controller's.
        prometheus: beside it, if wanted.
        prices: a price file to use, where the person has named none.
        logs: a directory for what the programs say.
        scratch: a directory that goes with the demo.
    """

    with_sandbox: bool
    port: str
    prometheus: Prometheus | None
    prices: Path | None
    logs: Path
    scratch: Path


@dataclass(frozen=True)
class DemoProgram:
    """A running part of the demo, in a session of its own so that Ctrl-C reaches only this script."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def start(
        cls, name: str, command: list[str], variables: Mapping[str, str], log: Path
    ) -> DemoProgram:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    async def until(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is ready.

        Raises:
            CommandError: It ended, or was not ready in `START_SECONDS`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await is_ready():
                    if self.process.returncode is not None:
                        raise self.ended()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise self._failed(f"was not ready in {START_SECONDS} s") from None

    def ended(self) -> CommandError:
        return self._failed(f"ended with status {self.process.returncode}")

    async def stop(self, seconds: float) -> None:
        """Ask it to end, and kill its process group if it has not ended in time."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    def _failed(self, how: str) -> CommandError:
        said = self.log.read_text(errors="replace")
        return failed(f"The {self.name} {how}; the end of its log {self.log} is above.", said)


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def demo(
    *,
    no_sandbox: Annotated[
        bool,
        typer.Option("--no-sandbox", help="Use Google's model and your own store, with the keys in .env."),
    ] = False,
    observe: Annotated[
        bool, typer.Option("--observe", help="Start a Prometheus with Podline's rules as well.")
    ] = False,
) -> None:
    """Start a spoken call on this machine, say where to click, and end everything on Ctrl-C."""
    settings = {**dotenv_values(ROOT / ".env"), **os.environ}
    with tempfile.TemporaryDirectory(prefix="podline-demo-", ignore_cleanup_errors=True) as scratch:
        if observe:
            with step("Finding or downloading Prometheus"):
                asyncio.run(ensure_prometheus(Path(scratch) / "prometheus.log"))
        plan = make_plan(settings, Path(scratch), with_sandbox=not no_sandbox, observe=observe)
        asyncio.run(run(plan))


def make_plan(
    settings: Mapping[str, str | None], scratch: Path, *, with_sandbox: bool, observe: bool
) -> Plan:
    """Look whether all that is needed is there, and leave an empty directory for logs.

    Raises:
        CommandError: Something is missing.
    """
    port = settings.get("PODLINE_PORT") or DEFAULT_PORT
    check_port("PODLINE_PORT", port)
    prometheus = plan_prometheus(settings, port, scratch) if observe else None
    # Agents of one's own have keys of their own.
    if not with_sandbox and not settings.get("PODLINE_AGENTS"):
        check_keys(settings)
    # Made up as the sandbox's model is: what another model costs, only its operator can say.
    prices = EXAMPLE_PRICES if with_sandbox and not settings.get("PODLINE_PRICES_FILE") else None
    return Plan(
        with_sandbox=with_sandbox,
        port=port,
        prometheus=prometheus,
        prices=prices,
        logs=empty_directory(ROOT / ".podline" / f"demo-{port}"),
        scratch=scratch,
    )


def plan_prometheus(settings: Mapping[str, str | None], port: str, scratch: Path) -> Prometheus:
    """Find the program and check that its port is free; raise CommandError as `make_plan` does."""
    metrics_port = settings.get("PODLINE_METRICS_PORT") or port
    own_port = settings.get("PODLINE_PROMETHEUS_PORT") or DEFAULT_PROMETHEUS_PORT
    check_port("PODLINE_PROMETHEUS_PORT", own_port, others=(port, metrics_port))
    program = find_program("prometheus", settings.get("PATH"))
    if program is None:
        raise CommandError(
            "--observe needs Prometheus, and there is none: put prometheus on the PATH "
            "(on Debian: apt-get install prometheus; else see prometheus.io/download)."
        )
    return Prometheus(program, own_port, f"127.0.0.1:{metrics_port}", scratch)


async def run(plan: Plan) -> None:
    """Run until Ctrl-C or SIGTERM.

    Raises:
        CommandError: A part of it ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    adopt_orphans()

    programs: list[DemoProgram] = []
    # Ends all of them should this process be killed, and removes what they have kept.
    guardian = Guardian(plan.scratch, STOP_SECONDS)
    guarding = asyncio.create_task(guardian.run())
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(start(programs, guardian, plan))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print(welcome(plan), flush=True)
            await until_one_ends(programs, stopping)
    finally:
        for task in (stopping, starting, guarding):
            task.cancel()
        await asyncio.gather(starting, guarding, return_exceptions=True)
        with suppress(OSError):  # nobody may be there to read it
            print("Ending ...", flush=True)
        await stop_all(programs, guardian)


async def start(programs: list[DemoProgram], guardian: Guardian, plan: Plan) -> None:
    """Start what is needed, in order, and add each to `programs` as soon as it runs."""

    async def start_one(name: str, command: list[str], variables: Mapping[str, str]) -> DemoProgram:
        program = await DemoProgram.start(name, command, variables, plan.logs / f"{name.lower()}.log")
        programs.append(program)
        guardian.add(program.process.pid)
        return program

    variables = {"PODLINE_PORT": plan.port, "PODLINE_GRACE_SECONDS": str(GRACE_SECONDS)}
    if plan.prices is not None:
        variables["PODLINE_PRICES_FILE"] = str(plan.prices)
    if plan.with_sandbox:
        written = plan.logs / "sandbox.env"

        async def is_written() -> bool:
            return written.exists()

        with step("Starting the sandbox: a model and a store on this machine"):
            sandbox = await start_one(
                "sandbox", [sys.executable, "-m", "sandbox", "--directory", str(plan.logs)], {}
            )
            await sandbox.until(is_written)
        variables |= {name: value or "" for name, value in dotenv_values(written).items()}

    command = [str(Path(sys.executable).parent / "podline"), "serve"]
    with step("Starting the controller"):
        controller = await start_one("controller", command, variables)
        await controller.until(lambda: answers_ready(plan.port, "/readyz"))

    if (prometheus := plan.prometheus) is not None:
        with step("Starting Prometheus"):
            prometheus.configure()
            program = await start_one("Prometheus", prometheus.command, {})
            await program.until(lambda: answers_ready(prometheus.port, "/-/ready"))


async def until_one_ends(programs: list[DemoProgram], stopping: asyncio.Task[bool]) -> None:
    """Return when the person wants to stop.

    Raises:
        CommandError: A program ended by itself.
    """
    ends = {asyncio.create_task(program.process.wait()): program for program in programs}
    try:
        done, _ = await asyncio.wait({stopping, *ends}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
    if stopping not in done:
        raise next(program for end, program in ends.items() if end in done).ended()


async def stop_all(programs: list[DemoProgram], guardian: Guardian) -> None:
    """End the controller, which ends its bots, then the sandbox, which they need for their goodbye."""
    limits = {
        "Prometheus": PROMETHEUS_STOP_SECONDS,
        "controller": STOP_SECONDS,
        "sandbox": SANDBOX_STOP_SECONDS,
    }
    for program in reversed(programs):
        await program.stop(limits[program.name])
        guardian.remove(program.process.pid)
    await guardian.close()
    end_orphans()


async def answers_ready(port: str, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False
    finally:
        writer.close()


def check_port(variable: str, port: str, others: tuple[str, ...] = ()) -> None:
    """Report a wrong or taken port before anything starts; `others` are about to be taken by us."""
    if not (port.isdecimal() and 0 < int(port) < 65536):
        raise CommandError(f"{variable} is {port!r}: set it to a port number from 1 to 65535.")
    if port in others or not is_free(port):
        raise CommandError(
            f"Port {port} can't be used, probably because another program uses it: choose another, such as "
            f"{variable}=7861 scripts/demo"
        )


def is_free(port: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return False
    return True


def check_keys(settings: Mapping[str, str | None]) -> None:
    missing = [
        name for name in (environment.GOOGLE_API_KEY, environment.CONVEX_URL) if not settings.get(name)
    ]
    if missing:
        raise CommandError(
            f"Without the sandbox, {' and '.join(missing)} must be set in .env or the environment: "
            "see .env.example."
        )


def empty_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def welcome(plan: Plan) -> str:
    if plan.with_sandbox:
        note = "The model and the store are stand-ins on this machine: no account, no key, no internet."
    else:
        note = "The model is Google's and the store is your own, with the keys in .env."
    observed = ""
    if plan.prometheus is not None:
        observed = indent(f"\n{plan.prometheus.guide()}\n", "  ")
        if plan.prices is not None:
            observed += f"  Costs are computed from the example prices in {plan.prices.relative_to(ROOT)}.\n"
    return f"""
  Podline is ready:  http://127.0.0.1:{plan.port}/

  Click "Start talking" and say: find running shoes under one hundred dollars.
  {note}
{observed}
  Logs are in {plan.logs.relative_to(ROOT)}. Press Ctrl-C to stop everything.
"""


if __name__ == "__main__":
    run_command(app)
