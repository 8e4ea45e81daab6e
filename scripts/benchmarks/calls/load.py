"""How many calls this machine carries before what callers hear has gaps, and what memory each bot takes."""

from __future__ import annotations

import asyncio
import statistics
from typing import Final

from sandbox.caller import calling
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import QUESTION
from scripts.benchmarks.calls.programs import Machine, children_of, programs, proportional_megabytes
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import MEGABYTES, SECONDS, SHARE, Table, spread

GAPS_HEARD: Final = 0.002
"""From this share of late frames on a call has gaps: one frame in ten seconds."""

LATE: Final = "late frames"
WAITED: Final = "wait for the answer"
MEMORY: Final = "memory of a bot"


def table(results: Results) -> Table:
    """Return a row for each number of calls: of each caller, and the worst one's gaps."""
    numbers = results.samples.get(LATE, {})
    rows = [
        [
            calls,
            SHARE.write(max(late)) + " %",
            spread(results.of(WAITED, calls), SECONDS),
            spread(results.of(MEMORY, calls), MEGABYTES),
            "gaps" if max(late) > GAPS_HEARD else "no gaps",
        ]
        for calls, late in numbers.items()
    ]
    return Table(["calls at one time", "late frames, worst caller", WAITED, MEMORY, "heard"], rows)


async def measure(run: BenchRun) -> None:
    """Add callers, up to the first step with gaps."""
    voice = Voice()
    run.progress.doing("starting sandbox and controller")
    # Room for those of the step before, who may still be leaving.
    with programs(run.directory, {"PODLINE_CAPACITY": str(2 * run.count)}) as machine:
        for calls in range(1, run.count + 1):
            run.progress.at(calls, run.count, "calls at one time:")
            if await step(run, machine, voice, calls) > GAPS_HEARD:
                break


async def step(run: BenchRun, machine: Machine, voice: Voice, calls: int) -> float:
    """Have so many callers ask at the same moment, the hardest case; return the worst one's share of gaps.

    Gaps count from then on: a bot that starts takes a core for a second, which is another matter.
    """
    everybody_is_in = asyncio.Barrier(calls)
    worst = 0.0

    async def one(number: int) -> None:
        nonlocal worst
        async with calling(machine.url, voice, user_id=f"caller-{number}") as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()
            async with everybody_is_in:
                frames, gaps = caller.ear.frames, caller.ear.gaps
                asked = await caller.say(QUESTION)
            answered = await caller.hears_bot() - asked
            await caller.bot_quiet()
            bots = children_of(machine.controller.process.pid, "podline.runner")
            memory = statistics.median(proportional_megabytes(bot) for bot in bots)
            async with everybody_is_in:
                share = (caller.ear.gaps - gaps) / (caller.ear.frames - frames)
        run.results.sample(LATE, str(calls), share)
        run.results.sample(WAITED, str(calls), answered)
        run.results.sample(MEMORY, str(calls), memory)
        worst = max(worst, share)

    await asyncio.gather(*(one(number) for number in range(calls)))
    return worst
