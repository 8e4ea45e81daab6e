"""Starts and answers of this checkout beside another revision's, in turn.

Each round measures one and then the other, so that whatever else the machine does meets both alike. Both are
used as programs, by what they have in common: the API, the settings and the room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from podline_cli.errors import CommandError
from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import ACCEPTED, ANSWERED, JOINED, STOP_SECS, last_turn, moments, question
from scripts.benchmarks.calls.programs import Machine, ended, programs, proportional_megabytes
from scripts.benchmarks.controllers.starts import AT_ONCE, SMALL_STARTS, STARTS, name_of, rate_of_controller
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import (
    A_SECOND,
    MEGABYTES,
    MILLISECONDS,
    Comparison,
    Figure,
    Table,
    table_of,
)
from testing.builds.checkouts import (
    OURS,
    Checkout,
    RevisionUnavailableError,
    unpack,
    with_environment,
)

HERE: Final = "here"
THERE: Final = "there"
CALLS: Final = 3
MEMORY: Final = "memory of the controller"

_RATIO: Final = (Comparison(HERE, THERE, is_ratio=True),)
FIGURES: Final = (
    *(Figure(name_of(at_once), A_SECOND, _RATIO) for at_once in AT_ONCE),
    *(Figure(name, MILLISECONDS, _RATIO) for name in (ACCEPTED, JOINED, ANSWERED)),
    Figure(MEMORY, MEGABYTES, _RATIO),
)


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Measure both checkouts in each round, and let another one begin each time."""
    starts, calls = (SMALL_STARTS, 1) if run.is_small else (STARTS, CALLS)
    voice = Voice()
    run.progress.doing(f"checking out {run.subject} and starting both")
    with checkout(run.directory / "there", run.subject) as other:
        checkouts = {HERE: OURS, THERE: other}
        folders = {name: run.directory / f"programs-{name}" for name in checkouts}
        for folder in folders.values():
            folder.mkdir()
        with (
            programs(folders[HERE], checkout=OURS) as here,
            programs(folders[THERE], checkout=other) as there,
        ):
            machines = {HERE: here, THERE: there}
            for number in run.rounds():
                run.progress.at(number, run.count, "round")
                order = list(machines) if number % 2 else list(reversed(machines))
                for name in order:
                    for at_once in AT_ONCE:
                        taken = await rate_of_controller(folders[name], at_once, starts, checkouts[name])
                        run.sample(number, name_of(at_once), name, taken)
                for _ in range(calls):
                    for name in order:
                        for figure, value in (await one_call(machines[name], voice)).items():
                            run.sample(number, figure, name, value)


@contextmanager
def checkout(tree: Path, revision: str) -> Iterator[Checkout]:
    """Unpack another revision until the block ends, with an environment of its own if its lock differs."""
    try:
        unpack(revision, tree)
    except RevisionUnavailableError:
        raise CommandError(
            f"'{revision}' is no revision of this repository: name one that 'git log' shows."
        ) from None
    yield with_environment(tree)


async def one_call(machine: Machine, voice: Voice) -> Mapping[str, float]:
    """Make one call, and return what was measured by figure."""
    async with httpx.AsyncClient() as http:
        began = time.monotonic()
        answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
        accepted = time.monotonic() - began
        session = answer.raise_for_status().json()
        room = RoomAddress(session["room"]["url"], session["room"]["token"])
        async with calling(machine.url, voice, room=room) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()
            answered = await question(caller)
            memory = await asyncio.to_thread(proportional_megabytes, machine.controller.process.pid)
        turn = await last_turn(machine, http)
        at = moments((await ended(machine, http, session["id"]))["timeline"])
    return {
        ACCEPTED: accepted,
        JOINED: at["joined"] - at["accepted"],
        ANSWERED: answered - STOP_SECS - turn["think_seconds"],
        MEMORY: memory,
    }
