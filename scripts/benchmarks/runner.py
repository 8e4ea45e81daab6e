"""`scripts/bench runner`: a bot of `pipecat init` in our runner, in Pipecat's own, and in a bare host.

The same calls of each, in turn, each in a process of its own: whatever else the machine does meets all three.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.call import last_turn, progress, question
from scripts.benchmarks.programs import (
    Machine,
    child_of,
    ended,
    milliseconds,
    processor_seconds,
    programs,
    resident_megabytes,
    system,
)
from scripts.benchmarks.rooms import difference
from testing.callers.pipecat_runner import pipecat_runner
from testing.processes import Program, answers, free_port
from testing.projects.generated import REALTIME, generate

QUESTIONS: Final = 2
HOSTS: Final = ("Podline", "Pipecat's own", "a bare host")


@dataclass
class HostFigures:
    """Of calls in one of them. Seconds, cores of one processor, and megabytes."""

    ready: list[float] = field(default_factory=list)
    greeted: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


async def measure(directory: Path, calls: int) -> str:
    """The table of figures, over so many calls in each."""
    voice = Voice()
    agents = directory / "agents"
    agents.mkdir()
    figures = {host: HostFigures() for host in HOSTS}
    with programs(directory, with_bare=False, PODLINE_AGENTS=str(agents)) as machine:
        bot_file = generate(REALTIME, agents, machine.sandbox) / "bot.py"
        async with httpx.AsyncClient() as http:
            for number in range(calls + 1):
                sample = figures if number else {host: HostFigures() for host in HOSTS}
                await our_call(machine, http, voice, sample["Podline"])
                for host, hosted in (("Pipecat's own", pipecats), ("a bare host", bare)):
                    began = time.monotonic()
                    with hosted(bot_file, directory) as (url, process):
                        sample[host].ready.append(time.monotonic() - began)
                        async with calling(url, voice) as (caller, _):
                            await converse(caller, process, machine, http, sample[host])
                progress(number, calls)
    return table(figures, calls)


@contextmanager
def pipecats(bot_file: Path, directory: Path) -> Iterator[tuple[str, int]]:
    """The bot in Pipecat's own runner: its address and its process."""
    with pipecat_runner(bot_file, directory, {}) as runner:
        yield runner.url, runner.program.process.pid


@contextmanager
def bare(bot_file: Path, directory: Path) -> Iterator[tuple[str, int]]:
    """The bot in a bare host: its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "scripts.benchmarks.host", str(bot_file), str(port)]
    program = Program.start("bare-host", command, directory, {})
    try:
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/status"))
        yield f"http://127.0.0.1:{port}", program.process.pid
    finally:
        program.stop()


async def our_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, figures: HostFigures) -> None:
    wanted = {"user_id": "bench", "agent": REALTIME.name}
    session = (await http.post(f"{machine.url}/v1/sessions", json=wanted)).raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"])
    async with calling(machine.url, voice, room=room) as (caller, _):
        process = child_of(machine.controller.process.pid, "podline.runner")
        await converse(caller, process, machine, http, figures)
    timeline = (await ended(machine, http, session["id"]))["timeline"]
    accepted, joined = (datetime.fromisoformat(timeline[moment]) for moment in ("accepted", "joined"))
    figures.ready.append((joined - accepted).total_seconds())


async def converse(
    caller: Caller, process: int, machine: Machine, http: httpx.AsyncClient, figures: HostFigures
) -> None:
    """Be greeted, ask, and note how long answers took and what the bot's process used."""
    began = caller.connected_at or 0.0
    figures.greeted.append(await caller.hears_bot() - began)
    await caller.bot_quiet()
    used, since = processor_seconds(process), time.monotonic()
    for _ in range(QUESTIONS):
        answered = await question(caller)
        await caller.bot_quiet()
        turn = await last_turn(machine, http)
        figures.answered.append(answered - turn["silence_seconds"] - turn["think_seconds"])
    figures.cores.append((processor_seconds(process) - used) / (time.monotonic() - since))
    figures.memory.append(resident_megabytes(process))


def table(figures: dict[str, HostFigures], calls: int) -> str:
    podline, pipecats_own, bare_host = (figures[host] for host in HOSTS)
    rows: list[tuple[str, str]] = []
    for title, taken in (
        ("start to a bot that waits for its caller", [each.ready for each in figures.values()]),
        ("connected to the greeting's first sound", [each.greeted for each in figures.values()]),
        (
            "end of speech to first sound, less detection and model",
            [each.answered for each in figures.values()],
        ),
    ):
        rows += [(f"{title}: {host}", milliseconds(each)) for host, each in zip(figures, taken, strict=True)]
    rows.append(("  Podline less Pipecat's own", difference(podline.answered, pipecats_own.answered)))
    rows += [(f"cores in a lively call: {host}", spread(each.cores, 3)) for host, each in figures.items()]
    shares = [one / other - 1 for one, other in zip(podline.cores, bare_host.cores, strict=True)]
    rows.append(("  Podline over a bare host", f"{statistics.median(shares):+.1%}"))
    rows += [(f"resident MB after it: {host}", spread(each.memory, 1)) for host, each in figures.items()]
    more = [one - other for one, other in zip(podline.memory, bare_host.memory, strict=True)]
    rows.append(("  Podline less a bare host", f"{statistics.median(more):+.1f} MB"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"Medians over {calls} calls of each, in turn; {system()}", ""]
        + [f"{name:{width}}  {value}" for name, value in rows]
    )


def spread(samples: list[float], digits: int) -> str:
    low, middle, high = min(samples), statistics.median(samples), max(samples)
    return f"{middle:.{digits}f}  (from {low:.{digits}f} to {high:.{digits}f})"
