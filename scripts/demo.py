"""A spoken call on this machine: start sandbox and controller, say where to click, end both on Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from protocol import environment

ROOT: Final = Path(__file__).parent.parent
DEFAULT_PORT: Final = "7860"
GRACE_SECONDS: Final = 3
"""What a bot gets for its goodbye; the rest of `STOP_SECONDS` is the controller's."""

START_SECONDS: Final = 60
STOP_SECONDS: Final = 4.0
SANDBOX_STOP_SECONDS: Final = 0.5
LAST_LINES: Final = 20

_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h


class DemoError(Exception):
    """The demo can't go on; the sentence says why and what to do."""


@dataclass(frozen=True)
class Program:
    """A running part of the demo, in a session of its own so that Ctrl-C reaches only this script."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @classmethod
    async def start(cls, name: str, command: list[str], variables: Mapping[str, str], log: Path) -> Program:
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
            DemoError: It ended, or was not ready in `START_SECONDS`.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await is_ready():
                    if self.process.returncode is not None:
                        raise self.ended()
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoError(
                f"The {self.name} was not ready in {START_SECONDS} s.{self._last_words()}"
            ) from None

    def ended(self) -> DemoError:
        return DemoError(f"The {self.name} ended with status {self.process.returncode}.{self._last_words()}")

    async def stop(self, seconds: float) -> None:
        """Ask it to end, and kill its process group where it has not in time."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "".join(f"\n  {line}" for line in [f"The end of {self.log}:", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--no-sandbox", action="store_true", help="use the keys of .env and Google's own model"
    )
    options = parser.parse_args()
    try:
        asyncio.run(run(with_sandbox=not options.no_sandbox))
    except DemoError as error:
        sys.exit(str(error))


async def run(*, with_sandbox: bool) -> None:
    """Run until Ctrl-C or SIGTERM.

    Raises:
        DemoError: Something is missing, or a part of it ended by itself.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    settings = {**dotenv_values(ROOT / ".env"), **os.environ}
    port = settings.get("PODLINE_PORT") or DEFAULT_PORT
    check_port(port)
    if not with_sandbox:
        check_keys(settings)
    directory = empty_directory(ROOT / ".podline" / f"demo-{port}")
    adopt_orphans()

    programs: list[Program] = []
    stopping = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(start(programs, directory, port, with_sandbox=with_sandbox))
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            print(welcome(port, directory, with_sandbox=with_sandbox), flush=True)
            await until_one_ends(programs, stopping)
    finally:
        stopping.cancel()
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        with suppress(OSError):  # nobody may be there to read it
            print("Ending ...", flush=True)
        await stop_all(programs)


async def start(programs: list[Program], directory: Path, port: str, *, with_sandbox: bool) -> None:
    """Start what is needed, in order, and add each to `programs` as soon as it runs."""
    variables = {"PODLINE_PORT": port, "PODLINE_GRACE_SECONDS": str(GRACE_SECONDS)}
    if with_sandbox:
        print("Starting the sandbox: a model and a store on this machine ...", flush=True)
        command = [sys.executable, "-m", "sandbox", "--directory", str(directory)]
        sandbox = await Program.start("sandbox", command, {}, directory / "sandbox.log")
        programs.append(sandbox)
        written = directory / "sandbox.env"

        async def is_written() -> bool:
            return written.exists()

        await sandbox.until(is_written)
        variables |= {name: value or "" for name, value in dotenv_values(written).items()}

    print("Starting the controller ...", flush=True)
    command = [str(Path(sys.executable).parent / "podline"), "serve"]
    controller = await Program.start("controller", command, variables, directory / "controller.log")
    programs.append(controller)
    await controller.until(lambda: answers_ready(port))


async def until_one_ends(programs: list[Program], stopping: asyncio.Task[bool]) -> None:
    """Return when the person wants to stop.

    Raises:
        DemoError: A program ended by itself.
    """
    ends = {asyncio.create_task(program.process.wait()): program for program in programs}
    try:
        done, _ = await asyncio.wait({stopping, *ends}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
    if stopping not in done:
        raise next(program for end, program in ends.items() if end in done).ended()


async def stop_all(programs: list[Program]) -> None:
    """End the controller, which ends its bots, then the sandbox, which they need for their goodbye."""
    limits = {"controller": STOP_SECONDS, "sandbox": SANDBOX_STOP_SECONDS}
    for program in reversed(programs):
        await program.stop(limits[program.name])
    for orphan in orphans():
        os.kill(orphan, signal.SIGKILL)


async def answers_ready(port: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False
    finally:
        writer.close()


def check_port(port: str) -> None:
    """Tell a taken port before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except (OSError, OverflowError, ValueError):
            raise DemoError(
                f"Port {port} is taken or no port: choose another, such as PODLINE_PORT=7861 scripts/demo"
            ) from None


def check_keys(settings: Mapping[str, str | None]) -> None:
    missing = [
        name for name in (environment.GOOGLE_API_KEY, environment.CONVEX_URL) if not settings.get(name)
    ]
    if missing:
        raise DemoError(
            f"Without the sandbox, {' and '.join(missing)} must stand in .env (see .env.example)."
        )


def empty_directory(path: Path) -> Path:
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def adopt_orphans() -> None:
    """Become the parent of bots whose controller had to be killed (Linux), so that none is left behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans() -> list[int]:
    """Processes that are this one's children now."""
    found = Path("/proc/self/task").glob("*/children")
    return [int(pid) for children in found for pid in children.read_text().split()]


def welcome(port: str, directory: Path, *, with_sandbox: bool) -> str:
    where = directory.relative_to(ROOT)
    if with_sandbox:
        note = "The model and the store are stand-ins on this machine: no account, no key, no internet."
    else:
        note = "The model is Google's, the store your own: the keys are those of .env."
    return f"""
  Podline is ready:  http://127.0.0.1:{port}/

  Click "Start talking" and say: find running shoes under one hundred dollars.
  {note}
  Logs are in {where}. Ctrl-C ends everything.
"""


if __name__ == "__main__":
    main()
