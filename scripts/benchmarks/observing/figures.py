"""What observing a call costs its bot: calls with and without our observers, and the observers alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from sandbox.caller import Caller, calling
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import QUESTION
from scripts.benchmarks.calls.programs import Machine, processor_seconds, programs
from scripts.benchmarks.observing.agent import make_assistant
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import CORES, NUMBER, Comparison, Figure, Table, Unit, table_of
from testing.processes import bots_of, eventually

TALK_SECONDS: Final = 20.0
FIGURES_SECONDS: Final = 60.0
"""Only a bot that was killed takes this long to leave its figures."""

OBSERVED: Final = "observed"
UNOBSERVED: Final = "unobserved"
LIVELY: Final = "cores of a bot in a lively call"
ALONE: Final = "observers alone, shown a call's frames again"
FRAMES: Final = "frames a second in that call"
_FINE: Final = Unit("cores", 1, 4)

FIGURES: Final = (
    Figure(LIVELY, CORES, (Comparison(OBSERVED, UNOBSERVED),), "at most 0.010 more"),
    Figure(ALONE, _FINE, target="at most 0.010"),
    Figure(FRAMES, NUMBER),
)


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Make so many pairs of calls, and one more call that is replayed."""
    voice = Voice()
    figures = run.directory / "figures.json"
    agents = run.directory / "agents"
    make_assistant(agents, "scripts.benchmarks.observing.bot", str(figures))
    # A bot that is not observed can't know what its caller hears.
    settings = {"PODLINE_AGENTS": str(agents), "PODLINE_MUTE_SECONDS": "0"}
    run.progress.doing("starting sandbox and controller")
    with programs(run.directory, settings) as machine:
        for number in run.rounds():
            run.progress.at(number, run.count, "pair of calls")
            await pair(run, number, machine, voice)
        run.progress.doing("replaying a call")
        await replay(run, machine, voice, figures)


async def pair(run: BenchRun, number: int, machine: Machine, voice: Voice) -> None:
    """Measure two bots that have the same conversation at the same time, of which one is not observed.

    Whatever else the machine does meets both.
    """
    everybody_is_in = asyncio.Barrier(2)

    async def one(user_id: str) -> None:
        async with calling(machine.url, voice, user_id=user_id) as (caller, session_id):
            await caller.hears_bot()
            await caller.bot_quiet()
            [bot] = bots_of(session_id or "")
            async with everybody_is_in:
                before, began = processor_seconds(bot), time.monotonic()
            await talk(run, caller)
            used = processor_seconds(bot) - before
            run.sample(number, LIVELY, user_id, used / (time.monotonic() - began))

    await asyncio.gather(one(OBSERVED), one(UNOBSERVED))


async def replay(run: BenchRun, machine: Machine, voice: Voice, figures: Path) -> None:
    """Have a call's observers be shown all of it again, and note what they took of the processor."""
    async with calling(machine.url, voice, user_id="recorded") as (caller, _):
        await caller.hears_bot()
        await caller.bot_quiet()
        await talk(run, caller)
    await eventually(is_there(figures), "the figures of a bot that has left", within=FIGURES_SECONDS)
    replayed: dict[str, Any] = msgspec.json.decode(await asyncio.to_thread(figures.read_bytes))
    for one, other in zip(replayed["with"], replayed["without"], strict=True):
        run.results.sample(ALONE, OBSERVED, (one - other) / replayed["seconds"])
    run.results.sample(FRAMES, OBSERVED, replayed["frames"] / replayed["seconds"])


def is_there(path: Path) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await asyncio.to_thread(path.exists)

    return look


async def talk(run: BenchRun, caller: Caller) -> None:
    """Ask and listen, again and again; once if the run is small."""
    deadline = time.monotonic() + (0 if run.is_small else TALK_SECONDS)
    while True:
        await caller.say(QUESTION)
        await caller.hears_bot()
        await caller.bot_quiet()
        if time.monotonic() >= deadline:
            return
