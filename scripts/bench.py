"""Figures of a call on this machine, as medians over some calls: ours beside a bare Pipecat pipeline's."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
from dotenv import dotenv_values

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import Room
from sandbox.voice import Voice
from tests.local.processes import Program, free_port

STOP_SECS: Final = 0.5
"""What voice activity detection waits for, in ours and in the bare pipeline."""
WATCHED_SECONDS: Final = 3.0
"""How long a bot's processor time is watched."""
QUESTION: Final = "find running shoes"
HERE: Final = Path(__file__).parent


@dataclass
class Figures:
    """What was measured, in seconds unless the name says otherwise."""

    accepted: list[float] = field(default_factory=list)
    spawned: list[float] = field(default_factory=list)
    joined: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    ours_tool: list[float] = field(default_factory=list)
    bare_tool: list[float] = field(default_factory=list)
    idle_cores: list[float] = field(default_factory=list)
    speaking_cores: list[float] = field(default_factory=list)
    memory_megabytes: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Machine:
    """The programs under measurement."""

    controller: Program
    url: str
    bare_url: str
    store_url: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--calls", type=int, default=20, help="calls of each kind (default: 20)")
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory(prefix="podline-bench-") as directory:
        figures = asyncio.run(measure(Path(directory), calls))
    print(table(figures, calls))


async def measure(directory: Path, calls: int) -> Figures:
    figures = Figures()
    voice = Voice()
    with programs(directory) as machine:
        async with httpx.AsyncClient() as http:
            for number in range(calls + 1):
                sample = figures if number else Figures()  # the first pair only warms up
                await our_call(machine, http, voice, sample)
                await bare_call(machine, http, voice, sample)
                progress(number, calls)
    return figures


@contextmanager
def programs(directory: Path) -> Iterator[Machine]:
    """A sandbox, a controller and a bare pipeline, ended with the block."""
    started: list[Program] = []

    def start(name: str, command: list[str], variables: dict[str, str]) -> Program:
        started.append(Program.start(name, [sys.executable, *command], directory, variables))
        return started[-1]

    try:
        sandbox = start("sandbox", ["-m", "sandbox", "--directory", str(directory)], {})
        sandbox.wait_until((directory / "sandbox.env").exists)
        variables = {name: value or "" for name, value in dotenv_values(directory / "sandbox.env").items()}
        port, bare_port = free_port(), free_port()
        settings = variables | {"PODLINE_PORT": str(port)}
        controller = start("controller", ["-m", "controller", "serve"], settings)
        controller.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        bare = start("bare pipeline", [str(HERE / "bench_bare.py"), str(bare_port)], variables)
        bare.wait_until(lambda: answers(f"http://127.0.0.1:{bare_port}/"))
        yield Machine(
            controller,
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{bare_port}/offer",
            variables["CONVEX_URL"],
        )
    finally:
        for program in reversed(started):
            program.stop()


async def our_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, figures: Figures) -> None:
    began = time.monotonic()
    answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
    figures.accepted.append(time.monotonic() - began)
    session = answer.raise_for_status().json()
    room = Room(session["room"]["url"], session["room"]["token"])
    async with calling(machine.url, voice, room=room) as (caller, _):
        bot = child_of(machine.controller.process.pid)
        await caller.hears_bot()
        await caller.bot_quiet()
        figures.idle_cores.append(await cores_used(bot))
        answered = await question(caller)
        figures.speaking_cores.append(await cores_used(bot))
        figures.memory_megabytes.append(resident_megabytes(bot))
    note(figures.ours, figures.ours_tool, answered, await last_turn(machine, http))
    note_start(figures, await ended(machine, http, session["id"]))


async def bare_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, figures: Figures) -> None:
    async with calling(machine.url, voice, room=Room(machine.bare_url)) as (caller, _):
        await caller.hears_bot()
        await caller.bot_quiet()
        answered = await question(caller)
    note(figures.bare, figures.bare_tool, answered, await last_turn(machine, http))


async def question(caller: Caller) -> float:
    """Ask, and return the seconds from the last sound of the question to the first of the answer."""
    asked = await caller.say(QUESTION)
    return await caller.hears_bot() - asked


def note(own: list[float], tools: list[float], answered: float, turn: dict[str, Any]) -> None:
    """What of an answer's time was neither the model's nor the detection's wait."""
    own.append(answered - STOP_SECS - turn["think_seconds"])
    tools.append(turn["tool_seconds"])


def note_start(figures: Figures, session: dict[str, Any]) -> None:
    moments = {name: datetime.fromisoformat(at).timestamp() for name, at in session["timeline"].items() if at}
    figures.spawned.append(moments["process_up"] - moments["accepted"])
    figures.joined.append(moments["joined"] - moments["accepted"])


async def last_turn(machine: Machine, http: httpx.AsyncClient) -> dict[str, Any]:
    """The turn that the sandbox's model answered last."""
    sessions = (await http.get(f"{machine.store_url}/sandbox/model")).json()["sessions"]
    turn: dict[str, Any] = max(sessions, key=lambda session: session["started_at"])["turns"][-1]
    return turn


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


def child_of(process: int) -> int:
    [child] = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(child)


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


def progress(number: int, calls: int) -> None:
    sys.stderr.write(f"\rcall {number} of {calls}" + ("\n" if number == calls else ""))


def table(figures: Figures, calls: int) -> str:
    own, bare = statistics.median(figures.ours), statistics.median(figures.bare)
    rows = [
        ("POST /v1/sessions until 201", milliseconds(figures.accepted)),
        ("accepted to the bot's process up", milliseconds(figures.spawned)),
        ("accepted to joined", milliseconds(figures.joined)),
        ("end of speech to first sound, less VAD's wait and model: Podline", milliseconds(figures.ours)),
        ("the same: bare Pipecat pipeline", milliseconds(figures.bare)),
        ("Podline less bare", f"{(own - bare) * 1000:+.0f} ms"),
        ("a search, from tool call to tool response: Podline", milliseconds(figures.ours_tool)),
        ("the same: bare Pipecat pipeline", milliseconds(figures.bare_tool)),
        ("one bot, caller silent", f"{statistics.median(figures.idle_cores):.2f} cores"),
        ("one bot, speaking", f"{statistics.median(figures.speaking_cores):.2f} cores"),
        ("one bot, resident memory", f"{statistics.median(figures.memory_megabytes):.0f} MB"),
    ]
    width = max(len(name) for name, _ in rows)
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    machine = f"{os.cpu_count()} cores, {system}"
    return "\n".join(
        [f"Medians over {calls} calls of each kind; {machine}", ""]
        + [f"{name:{width}}  {value}" for name, value in rows]
    )


def milliseconds(samples: list[float]) -> str:
    return (
        f"{statistics.median(samples) * 1000:.0f} ms"
        f"  (from {min(samples) * 1000:.0f} to {max(samples) * 1000:.0f})"
    )


if __name__ == "__main__":
    main()
