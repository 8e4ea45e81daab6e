"""What a call takes of processor and memory: ours beside a bare pipeline's, and without what spares it.

Two bots at a time have the same conversation, so whatever else the machine does meets both.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import question
from scripts.benchmarks.calls.programs import (
    Machine,
    child_of,
    private_megabytes,
    processor_seconds,
    programs,
    resident_megabytes,
)
from scripts.benchmarks.calls.unspared_bot import EVERYTHING, SPARED
from scripts.benchmarks.observing.agent import make_assistant
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    CORES,
    MEGABYTES,
    SECONDS,
    SHARE,
    Comparison,
    Figure,
    Table,
    table_of,
)
from testing.processes import bots_of

TALK_SECONDS: Final = 12.0
QUIET_SECONDS: Final = 4.0

OURS: Final = "Podline"
BARE: Final = "bare pipeline"
WITHOUT: Final = "without it"

LIVELY: Final = "cores in a lively call"
QUIET: Final = "cores while both are silent"
ANSWERED: Final = "end of speech to first sound of the answer"
LATE: Final = "late frames"
RESIDENT: Final = "resident memory"
PRIVATE: Final = "memory of its own"

_BESIDE_BARE: Final = (Comparison(OURS, BARE, is_ratio=True),)
_MORE_THAN_BARE: Final = (Comparison(OURS, BARE),)


def _row(left_out: str) -> str:
    return f"{LIVELY}: {left_out}"


FIGURES: Final = (
    Figure(LIVELY, CORES, _BESIDE_BARE, "at most 0.12, and no more than bare"),
    Figure(QUIET, CORES, _BESIDE_BARE),
    Figure(ANSWERED, SECONDS, _MORE_THAN_BARE),
    Figure(LATE, SHARE),
    Figure(RESIDENT, MEGABYTES, _MORE_THAN_BARE, "at most 150 MB"),
    Figure(PRIVATE, MEGABYTES, _MORE_THAN_BARE),
    *(
        Figure(_row(each), CORES, (Comparison(OURS, WITHOUT, is_ratio=True),))
        for each in (EVERYTHING, *SPARED)
    ),
)


@dataclass(frozen=True)
class Measured:
    """What one of two calls took."""

    lively: float
    quiet: float
    answered: float
    late: float
    resident: float
    private: float


Talk = Callable[[Caller, int], Awaitable[Measured]]


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Make so many pairs of calls of each kind, in turn."""
    voice = Voice()
    agents = run.directory / "agents"
    make_assistant(agents, "scripts.benchmarks.calls.unspared_bot")
    run.progress.doing("starting sandbox, controller and bare pipeline")
    with programs(run.directory, {"PODLINE_AGENTS": str(agents)}, with_bare=True) as machine:
        for number in run.rounds(warm_ups=0):
            run.progress.at(number, run.count, "pairs of calls")
            await beside_bare(run, number, machine, voice)
            for left_out in (EVERYTHING,) if run.is_small else (EVERYTHING, *SPARED):
                talk = talking(run)
                ours, without = await asyncio.gather(
                    our_call(machine, voice, "all", talk), our_call(machine, voice, left_out, talk)
                )
                run.sample(number, _row(left_out), OURS, ours.lively)
                run.sample(number, _row(left_out), WITHOUT, without.lively)


async def beside_bare(run: BenchRun, number: int, machine: Machine, voice: Voice) -> None:
    talk = talking(run)
    ours, bare = await asyncio.gather(our_call(machine, voice, "all", talk), bare_call(machine, voice, talk))
    for of, measured in ((OURS, ours), (BARE, bare)):
        run.sample(number, LIVELY, of, measured.lively)
        run.sample(number, QUIET, of, measured.quiet)
        run.sample(number, ANSWERED, of, measured.answered)
        run.sample(number, LATE, of, measured.late)
        run.sample(number, RESIDENT, of, measured.resident)
        run.sample(number, PRIVATE, of, measured.private)


async def our_call(machine: Machine, voice: Voice, user_id: str, talk: Talk) -> Measured:
    async with calling(machine.url, voice, user_id=user_id) as (caller, session_id):
        [bot] = bots_of(session_id or "")
        return await talk(caller, bot)


async def bare_call(machine: Machine, voice: Voice, talk: Talk) -> Measured:
    """Call the bare pipeline, which has one process for all its calls."""
    async with calling(machine.url, voice, room=RoomAddress(machine.bare_url)) as (caller, _):
        return await talk(caller, child_of(os.getpid(), "scripts.benchmarks.calls.bare"))


def talking(run: BenchRun) -> Talk:
    """Return what two callers do at the same time, once both are greeted."""
    both = asyncio.Barrier(2)
    quiet_seconds, talk_seconds = (0.3, 0.0) if run.is_small else (QUIET_SECONDS, TALK_SECONDS)

    async def talk(caller: Caller, bot: int) -> Measured:
        await caller.hears_bot()
        await caller.bot_quiet()
        async with both:
            frames, gaps = caller.ear.frames, caller.ear.gaps
            quiet = await _cores(bot, asyncio.sleep(quiet_seconds))
        answers: list[float] = []

        async def converse() -> None:
            until = time.monotonic() + talk_seconds
            while not answers or time.monotonic() < until:
                answers.append(await question(caller))
                await caller.bot_quiet()

        async with both:
            lively = await _cores(bot, converse())
        late = (caller.ear.gaps - gaps) / (caller.ear.frames - frames)
        answered = sum(answers) / len(answers)
        return Measured(lively, quiet, answered, late, resident_megabytes(bot), private_megabytes(bot))

    return talk


async def _cores(process: int, meanwhile: Awaitable[None]) -> float:
    """Return the cores that a process keeps busy until this is done."""
    used, began = processor_seconds(process), time.monotonic()
    await meanwhile
    return (processor_seconds(process) - used) / (time.monotonic() - began)
