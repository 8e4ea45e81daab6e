"""What observing a call costs its bot: calls with and without our observers, and the observers alone."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from sandbox.caller import Caller, calling
from sandbox.voice import Voice
from scripts.benchmarks.programs import Machine, processor_seconds, programs, system
from testing.processes import ROOT, bots_of, eventually

INSIDE: Final = Path(__file__).parent / "inside"
FIGURES: Final = "PYTHON_FIGURES"
QUESTION: Final = "find running shoes"
TALK_SECONDS: Final = 20.0
FIGURES_SECONDS: Final = 60.0
"""Only a bot that was killed takes this long to leave its figures."""
TARGET: Final = 0.01
"""Of a core, for each call."""


async def measure(directory: Path, pairs: int) -> str:
    """The table of figures, over so many pairs of calls, and one more call that is replayed."""
    voice = Voice()
    figures = directory / "figures.json"
    settings = {
        "PYTHONPATH": f"{INSIDE}{os.pathsep}{ROOT}",
        FIGURES: str(figures),
        # A bot that is not observed can't know what its caller hears.
        "PODLINE_MUTE_SECONDS": "0",
    }
    observed, unobserved = [], []
    with programs(directory, with_bare=False, **settings) as machine:
        for number in range(pairs + 1):
            both = await pair(machine, voice)
            if number:  # the first pair only warms up
                observed.append(both[0])
                unobserved.append(both[1])
            sys.stderr.write(f"\rpair {number} of {pairs}" + ("\n" if number == pairs else ""))
        replayed = await replay(machine, voice, figures)
    return table(observed, unobserved, replayed)


async def pair(machine: Machine, voice: Voice) -> tuple[float, float]:
    """The cores of two bots that have the same conversation at the same time, of which one is not observed.

    Whatever else the machine does meets both.
    """
    everybody_is_in = asyncio.Barrier(2)

    async def one(user_id: str) -> float:
        async with calling(machine.url, voice, user_id=user_id) as (caller, session_id):
            await caller.hears_bot()
            await caller.bot_quiet()
            [bot] = bots_of(session_id or "")
            async with everybody_is_in:
                before, began = processor_seconds(bot), time.monotonic()
            await talk(caller)
            return (processor_seconds(bot) - before) / (time.monotonic() - began)

    observed, unobserved = await asyncio.gather(one("observed"), one("unobserved"))
    return observed, unobserved


async def replay(machine: Machine, voice: Voice, figures: Path) -> dict[str, Any]:
    """What a call's observers took of the processor when they were shown it all again."""
    async with calling(machine.url, voice, user_id="recorded") as (caller, _):
        await caller.hears_bot()
        await caller.bot_quiet()
        await talk(caller)
    await eventually(is_there(figures), "the figures of a bot that has left", within=FIGURES_SECONDS)
    replayed: dict[str, Any] = msgspec.json.decode(await asyncio.to_thread(figures.read_bytes))
    return replayed


def is_there(path: Path) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await asyncio.to_thread(path.exists)

    return look


async def talk(caller: Caller) -> None:
    """Ask and listen, again and again."""
    deadline = time.monotonic() + TALK_SECONDS
    while time.monotonic() < deadline:
        await caller.say(QUESTION)
        await caller.hears_bot()
        await caller.bot_quiet()


def table(observed: Sequence[float], unobserved: Sequence[float], replayed: dict[str, Any]) -> str:
    more = [one - other for one, other in zip(observed, unobserved, strict=True)]
    seconds = replayed["seconds"]
    alone = [
        (one - other) / seconds for one, other in zip(replayed["with"], replayed["without"], strict=True)
    ]
    rows = [
        ("one bot in a lively call", cores(observed)),
        ("the same at the same time, without our observers", cores(unobserved)),
        ("the difference", f"{shares(more)} of a core"),
        (
            f"our observers alone, shown a call's {replayed['frames'] / seconds:.0f} events a second again",
            f"{shares(alone)} of a core",
        ),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"Medians over {len(more)} pairs of calls; {system()}", ""]
        + [f"{name:{width}}  {value}" for name, value in rows]
        + ["", f"Target: less than {TARGET:.0%} of a core."]
    )


def cores(samples: Sequence[float]) -> str:
    return f"{statistics.median(samples):.3f} cores (from {min(samples):.3f} to {max(samples):.3f})"


def shares(samples: Sequence[float]) -> str:
    low, _, high = statistics.quantiles(samples, n=4)
    return f"{statistics.median(samples):+.2%} (quartiles {low:+.2%} and {high:+.2%})"
