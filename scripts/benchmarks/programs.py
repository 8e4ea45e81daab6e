"""The measured programs, and the system's figures of their processes."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from dotenv import dotenv_values

from testing.processes import Program, free_port

WATCHED_SECONDS: Final = 3.0
"""How long a bot's processor time is watched."""


@dataclass(frozen=True)
class Machine:
    """The programs under measurement, and the sandbox's keys and addresses."""

    controller: Program
    url: str
    bare_url: str
    store_url: str
    sandbox: dict[str, str]


@contextmanager
def programs(directory: Path, *, with_bare: bool, **settings: str) -> Iterator[Machine]:
    """A sandbox, a controller with these settings, and a bare pipeline if wanted, ended with the block."""
    started: list[Program] = []

    def start(name: str, command: list[str], variables: dict[str, str]) -> Program:
        started.append(Program.start(name, [sys.executable, *command], directory, variables))
        return started[-1]

    try:
        sandbox = start("sandbox", ["-m", "sandbox", "--directory", str(directory)], {})
        sandbox.wait_until((directory / "sandbox.env").exists)
        variables = {name: value or "" for name, value in dotenv_values(directory / "sandbox.env").items()}
        port, bare_port = free_port(), free_port()
        command = ["-m", "controller", "serve"]
        controller = start("controller", command, variables | settings | {"PODLINE_PORT": str(port)})
        controller.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        if with_bare:
            bare = start("bare pipeline", ["-m", "scripts.benchmarks.bare", str(bare_port)], variables)
            bare.wait_until(lambda: answers(f"http://127.0.0.1:{bare_port}/"))
        yield Machine(
            controller,
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{bare_port}/offer",
            variables["CONVEX_URL"],
            variables,
        )
    finally:
        for program in reversed(started):
            program.stop()


async def ended(machine: Machine, http: httpx.AsyncClient, session_id: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            session: dict[str, Any] = (await http.get(f"{machine.url}/v1/sessions/{session_id}")).json()
            if session["phase"] in ("ended", "failed"):
                return session
            await asyncio.sleep(0.05)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code < httpx.codes.INTERNAL_SERVER_ERROR
    except httpx.TransportError:
        return False


def child_of(process: int, module: str) -> int:
    """The one child that runs this module."""
    [child] = children_of(process, module)
    return child


def children_of(process: int, module: str) -> list[int]:
    """The children that run this module."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in children if f"-m\0{module}\0" in command_of(child)]


def command_of(process: str) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


async def cores_used(process: int) -> float:
    """Cores that the process keeps busy, over a few seconds."""
    before, began = processor_seconds(process), time.monotonic()
    await asyncio.sleep(WATCHED_SECONDS)
    return (processor_seconds(process) - before) / (time.monotonic() - began)


def processor_seconds(process: int) -> float:
    """User and system time: fields 14 and 15 of proc(5)'s stat."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def proportional_megabytes(process: int) -> float:
    """Memory with each shared page counted in part: Pss of proc(5)'s smaps_rollup."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    [pss] = [line for line in lines if line.startswith("Pss:")]
    return int(pss.split()[1]) * 1024 / 1e6


def system() -> str:
    """What the figures hold for."""
    python = platform.python_version()
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {python}"


def milliseconds(samples: list[float]) -> str:
    return (
        f"{statistics.median(samples) * 1000:.0f} ms"
        f"  (from {min(samples) * 1000:.0f} to {max(samples) * 1000:.0f})"
    )
