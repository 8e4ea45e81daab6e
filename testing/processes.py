"""Real processes for the tests: started, waited for, and ended with proof."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 10

_PORTS = range(15_000, 30_000)

T = TypeVar("T")


@dataclass(frozen=True)
class Program:
    """A process in a session of its own, with its output in a file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, name: str, command: list[str], directory: Path, variables: Mapping[str, str]) -> Program:
        log = directory / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - the tests' own commands
                command,
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.said()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as an operator would; killing it is for the case that this fails, and fails the test."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Sandbox(NamedTuple):
    """A running sandbox: its directory, what a bot needs to use it, and its store."""

    directory: Path
    variables: dict[str, str]
    store_url: str


def free_port() -> int:
    """Find a port that nobody listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Find ports that nobody listens on, all different.

    The system gives none of these to outgoing connections: those get ports from 32,768 on with Linux, from
    49,152 on elsewhere, and one of them might be taken by the time that a program listens.
    """
    with contextlib.ExitStack() as held:
        return [_held_port(held) for _ in range(count)]


def _held_port(held: contextlib.ExitStack) -> int:
    """Listen on a port until the stack is closed."""
    while True:
        probe = held.enter_context(socket.socket())
        port = secrets.choice(_PORTS)
        try:
            probe.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return port


def processes_of(directory: Path) -> list[str]:
    """Command lines of the processes, this one excepted, that name the directory in command or environment.

    A bot's environment names its sandbox's certificate there, so this finds bots as well.
    """
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            mentions = str(directory).encode() in command + (entry / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if mentions and entry.name != str(os.getpid()):
            found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode()}")
    return found


def command_of(process: int) -> str:
    """The command line of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(bytes(1), b" ").decode()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def parent_of(process: int) -> int:
    """The parent of a process; 0 if it is gone."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    # After the command in parentheses: state and parent.
    return int(status.rpartition(")")[2].split()[1])


def bots_of(session_id: str) -> list[int]:
    """Process ids of the session's bot; a shell that is about to become it counts as well."""
    variable = f"SESSION_ID={session_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def launch_of(bot: int) -> str:
    """The launch that a bot's process was started for."""
    return variable_of(bot, "PODLINE_LAUNCH_ID")


def variable_of(process: int, name: str) -> str:
    """The value of a variable that a process was started with."""
    variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    pairs = (each.decode().partition("=") for each in variables)
    return next(value for found, _, value in pairs if found == name)


def answers(url: str) -> bool:
    """Whether somebody serves this address, and is well."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - our own loopback address
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def reaches(address: str) -> bool:
    """Whether somebody listens at HOST:PORT."""
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return False
    return True


async def until_warm_bots_wait(controller: httpx.AsyncClient, agent: str, kept: int, within: float) -> None:
    """Wait until so many bots of an agent wait, and none is being started."""

    async def do_they() -> bool:
        agents = (await controller.get("/v1/agents")).raise_for_status().json()["agents"]
        states = [each["warm"] for each in agents if each["name"] == agent]
        return any(each["ready"] == kept and each["starting"] == 0 for each in states)

    await eventually(do_they, f"{kept} warm bots", within)


async def ended_session(controller: httpx.AsyncClient, session_id: str) -> dict[str, Any] | None:
    """The session's record, once it has ended."""
    session: dict[str, Any] = (await controller.get(f"/v1/sessions/{session_id}")).raise_for_status().json()
    return session if session["phase"] in ("ended", "failed") else None


async def eventually(probe: Callable[[], Awaitable[T | None]], what: str, within: float = 20) -> T:
    """The first result of the probe that says something, or a failure that says what was waited for."""
    try:
        async with asyncio.timeout(within):
            while not (result := await probe()):  # noqa: ASYNC110 - other processes set no event here
                await asyncio.sleep(0.05)
            return result
    except TimeoutError:
        raise AssertionError(f"waited {within} s in vain for {what}") from None
