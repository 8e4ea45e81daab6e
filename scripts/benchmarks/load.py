"""How many calls this machine carries before what callers hear has gaps, and what memory each bot takes."""

from __future__ import annotations

import asyncio
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.caller import calling
from sandbox.voice import Voice
from scripts.benchmarks.programs import Machine, children_of, programs, proportional_megabytes, system

QUESTION: Final = "find running shoes"
GAPS_HEARD: Final = 0.002
"""From this share of late frames on a call has gaps: one frame in ten seconds."""


@dataclass(frozen=True)
class Heard:
    """What one caller heard."""

    gaps: float
    answered: float


@dataclass(frozen=True)
class Step:
    """So many calls at one time.

    Attributes:
        gaps: The worst caller's share of frames that came too late.
        answered: The median caller's wait for the answer, in seconds.
        megabytes: The median bot's memory, what it shares with others counted in part.
    """

    calls: int
    gaps: float
    answered: float
    megabytes: float


async def measure(directory: Path, most: int) -> str:
    """The table of steps, up to the first with gaps."""
    voice = Voice()
    steps: list[Step] = []
    # Room for those of the step before, who may still be leaving.
    settings = {"PODLINE_CAPACITY": str(2 * most)}
    with programs(directory, with_bare=False, **settings) as machine:
        for calls in range(1, most + 1):
            sys.stderr.write(f"\r{calls} at one time ...")
            steps.append(await step(machine, voice, calls))
            if steps[-1].gaps > GAPS_HEARD:
                break
    sys.stderr.write("\n")
    return table(steps)


async def step(machine: Machine, voice: Voice, calls: int) -> Step:
    """So many callers at one time, who all ask at the same moment: the hardest case.

    Gaps count from then on: a bot that starts takes a core for a second, which is another matter.
    """
    everybody_is_in = asyncio.Barrier(calls)

    async def one(number: int) -> tuple[Heard, float]:
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
                return Heard(share, answered), memory

    results = await asyncio.gather(*(one(number) for number in range(calls)))
    return Step(
        calls,
        max(heard.gaps for heard, _ in results),
        statistics.median(heard.answered for heard, _ in results),
        statistics.median(memory for _, memory in results),
    )


def table(steps: list[Step]) -> str:
    lines = [f"Calls at one time, callers and sandbox on the same machine; {system()}", ""]
    lines.append("calls  late frames, worst caller  wait for the answer  memory of a bot")
    lines += [
        f"{step.calls:5}  {step.gaps:26.2%}  {step.answered:17.2f} s  {step.megabytes:12.0f} MB"
        for step in steps
    ]
    carried = [step.calls for step in steps if step.gaps <= GAPS_HEARD]
    lines += ["", f"Carried without gaps: {max(carried, default=0)}"]
    return "\n".join(lines)
