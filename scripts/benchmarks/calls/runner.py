"""A bot of `pipecat init` in our runner, in Pipecat's own, and in a bare host.

The same calls of each, in turn, each in a process of its own: whatever else the machine does meets all three.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import last_turn, moments, question
from scripts.benchmarks.calls.programs import (
    Machine,
    child_of,
    ended,
    processor_seconds,
    programs,
    resident_megabytes,
)
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    CORES,
    MEGABYTES,
    MILLISECONDS,
    Comparison,
    Figure,
    Table,
    table_of,
)
from testing.callers.pipecat_runner import pipecat_runner
from testing.processes import Program, answers, free_port
from testing.projects.generated import REALTIME, generate

QUESTIONS: Final = 2
OURS: Final = "Podline"
PIPECATS: Final = "Pipecat's own"
BARE: Final = "bare host"

READY: Final = "start to a bot that waits for its caller"
GREETED: Final = "connected to the greeting's first sound"
ANSWERED: Final = "end of speech to first sound, less detection and model"
LIVELY: Final = "cores in a lively call"
MEMORY: Final = "resident memory after it"

FIGURES: Final = (
    Figure(READY, MILLISECONDS),
    Figure(GREETED, MILLISECONDS),
    Figure(ANSWERED, MILLISECONDS, (Comparison(OURS, PIPECATS),), "at most 16 ms more"),
    Figure(LIVELY, CORES, (Comparison(OURS, BARE, is_ratio=True),), "at most 1.05"),
    Figure(MEMORY, MEGABYTES, (Comparison(OURS, BARE),), "at most 10 MB more"),
)

Sample = Callable[[str, float], None]


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Make so many calls in each, in turn."""
    voice = Voice()
    agents = run.directory / "agents"
    agents.mkdir()
    run.progress.doing("starting sandbox and controller")
    with programs(run.directory, {"PODLINE_AGENTS": str(agents)}) as machine:
        bot_file = generate(REALTIME, agents, machine.sandbox) / "bot.py"
        async with httpx.AsyncClient() as http:
            for number in run.rounds():
                run.progress.at(number, run.count, "call")
                await our_call(machine, http, voice, _sampling(run, number, OURS))
                for host, hosted in ((PIPECATS, pipecats), (BARE, bare)):
                    sample = _sampling(run, number, host)
                    began = time.monotonic()
                    with hosted(bot_file, run.directory) as (url, process):
                        sample(READY, time.monotonic() - began)
                        async with calling(url, voice) as (caller, _):
                            await converse(caller, process, machine, http, sample)


def _sampling(run: BenchRun, number: int, host: str) -> Sample:
    return lambda figure, value: run.sample(number, figure, host, value)


@contextmanager
def pipecats(bot_file: Path, directory: Path) -> Iterator[tuple[str, int]]:
    """Run the bot in Pipecat's own runner; its address and its process."""
    with pipecat_runner(bot_file, directory, {}) as runner:
        yield runner.url, runner.program.process.pid


@contextmanager
def bare(bot_file: Path, directory: Path) -> Iterator[tuple[str, int]]:
    """Run the bot in a bare host; its address and its process."""
    port = free_port()
    command = [sys.executable, "-m", "scripts.benchmarks.calls.host", str(bot_file), str(port)]
    program = Program.start("bare-host", command, directory, {})
    try:
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/status"))
        yield f"http://127.0.0.1:{port}", program.process.pid
    finally:
        program.stop()


async def our_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, sample: Sample) -> None:
    wanted = {"user_id": "bench", "agent": REALTIME.name}
    session = (await http.post(f"{machine.url}/v1/sessions", json=wanted)).raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"])
    async with calling(machine.url, voice, room=room) as (caller, _):
        process = child_of(machine.controller.process.pid, "podline.runner")
        await converse(caller, process, machine, http, sample)
    at = moments((await ended(machine, http, session["id"]))["timeline"])
    sample(READY, at["joined"] - at["accepted"])


async def converse(
    caller: Caller, process: int, machine: Machine, http: httpx.AsyncClient, sample: Sample
) -> None:
    """Be greeted, ask, and note how long answers took and what the bot's process used."""
    began = caller.connected_at or 0.0
    sample(GREETED, await caller.hears_bot() - began)
    await caller.bot_quiet()
    used, since = processor_seconds(process), time.monotonic()
    for _ in range(QUESTIONS):
        answered = await question(caller)
        await caller.bot_quiet()
        turn = await last_turn(machine, http)
        sample(ANSWERED, answered - turn["silence_seconds"] - turn["think_seconds"])
    sample(LIVELY, (processor_seconds(process) - used) / (time.monotonic() - since))
    sample(MEMORY, resident_megabytes(process))
