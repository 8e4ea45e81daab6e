"""The measured programs, and the system's figures of their processes."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from dotenv import dotenv_values

from testing.builds.checkouts import OURS, Checkout
from testing.processes import Program, free_port

WATCHED_SECONDS: Final = 3.0
"""How long a bot's processor time is watched, unless a run is small."""
SMALL_SECONDS: Final = 0.3


@dataclass(frozen=True)
class Machine:
    """The programs under measurement, and the sandbox's keys and addresses."""

    controller: Program
    url: str
    bare_url: str
    store_url: str
    sandbox: dict[str, str]


@contextmanager
def programs(
    directory: Path,
    settings: Mapping[str, str] | None = None,
    *,
    with_bare: bool = False,
    checkout: Checkout = OURS,
) -> Iterator[Machine]:
    """Run a sandbox, a controller and, if wanted, a bare pipeline until the block ends.

    Args:
        directory: Where they work.
        settings: The controller's, beside the sandbox's keys and addresses.
        with_bare: True if there is to be a bare pipeline.
        checkout: Whose sandbox and controller they are.
    """
    started: list[Program] = []

    def start(name: str, command: list[str], variables: Mapping[str, str]) -> Program:
        of_tree = {**variables, **checkout.variables}
        started.append(Program.start(name, [str(checkout.python), *command], directory, of_tree))
        return started[-1]

    try:
        sandbox = start("sandbox", ["-m", "sandbox", "--directory", str(directory)], {})
        sandbox.wait_until((directory / "sandbox.env").exists)
        variables = {name: value or "" for name, value in dotenv_values(directory / "sandbox.env").items()}
        port, bare_port = free_port(), free_port()
        variables |= settings or {}
        serve = ["-m", "controller", "serve"]
        controller = start("controller", serve, variables | {"PODLINE_PORT": str(port)})
        controller.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        if with_bare:
            bare = start("bare pipeline", ["-m", "scripts.benchmarks.calls.bare", str(bare_port)], variables)
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


async def cores_used(process: int, seconds: float = WATCHED_SECONDS) -> float:
    """Return the cores that the process keeps busy, over some seconds."""
    before, began = processor_seconds(process), time.monotonic()
    await asyncio.sleep(seconds)
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
    return _megabytes(process, "Pss:")


def private_megabytes(process: int) -> float:
    """Memory in pages that no other process has mapped: Private of proc(5)'s smaps_rollup."""
    return _megabytes(process, "Private_Clean:", "Private_Dirty:")


def _megabytes(process: int, *names: str) -> float:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) * 1024 / 1e6
