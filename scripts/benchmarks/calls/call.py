"""A call on this machine: ours beside a bare Pipecat pipeline's, in turn."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

import httpx

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.programs import (
    SMALL_SECONDS,
    WATCHED_SECONDS,
    Machine,
    child_of,
    cores_used,
    ended,
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

STOP_SECS: Final = 0.5
"""What voice activity detection waits for, in ours and in the bare pipeline."""
QUESTION: Final = "find running shoes"
OURS: Final = "Podline"
BARE: Final = "bare pipeline"

ACCEPTED: Final = "POST /v1/sessions until 201"
PROCESS_UP: Final = "accepted to the bot's process up"
JOINED: Final = "accepted to joined"
ANSWERED: Final = "end of speech to first sound, less VAD's wait and model"
SEARCHED: Final = "a search, from tool call to tool response"
SILENT: Final = "cores of a bot, caller silent"
SPEAKING: Final = "cores of a bot, speaking"
MEMORY: Final = "resident memory of a bot"

_BOTH: Final = (Comparison(OURS, BARE),)
FIGURES: Final = (
    Figure(ACCEPTED, MILLISECONDS),
    Figure(PROCESS_UP, MILLISECONDS),
    Figure(JOINED, MILLISECONDS),
    Figure(ANSWERED, MILLISECONDS, _BOTH, "at most 60 ms more"),
    Figure(SEARCHED, MILLISECONDS, _BOTH),
    Figure(SILENT, CORES),
    Figure(SPEAKING, CORES),
    Figure(MEMORY, MEGABYTES),
)


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Make so many calls of each kind, one after another."""
    voice = Voice()
    run.progress.doing("starting sandbox, controller and bare pipeline")
    with programs(run.directory, with_bare=True) as machine:
        async with httpx.AsyncClient() as http:
            for number in run.rounds():
                run.progress.at(number, run.count, "call")
                await our_call(machine, http, voice, run, number)
                await bare_call(machine, http, voice, run, number)


async def our_call(
    machine: Machine, http: httpx.AsyncClient, voice: Voice, run: BenchRun, number: int
) -> None:
    def sample(figure: str, value: float) -> None:
        run.sample(number, figure, OURS, value)

    began = time.monotonic()
    answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
    sample(ACCEPTED, time.monotonic() - began)
    session = answer.raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"])
    watched = SMALL_SECONDS if run.is_small else WATCHED_SECONDS
    async with calling(machine.url, voice, room=room) as (caller, _):
        bot = child_of(machine.controller.process.pid, "podline.runner")
        await caller.hears_bot()
        await caller.bot_quiet()
        sample(SILENT, await cores_used(bot, watched))
        answered = await question(caller)
        sample(SPEAKING, await cores_used(bot, watched))
        sample(MEMORY, resident_megabytes(bot))
    turn = await last_turn(machine, http)
    sample(ANSWERED, answered - STOP_SECS - turn["think_seconds"])
    sample(SEARCHED, turn["tool_seconds"])
    at = moments((await ended(machine, http, session["id"]))["timeline"])
    sample(PROCESS_UP, at["process_up"] - at["accepted"])
    sample(JOINED, at["joined"] - at["accepted"])


async def bare_call(
    machine: Machine, http: httpx.AsyncClient, voice: Voice, run: BenchRun, number: int
) -> None:
    async with calling(machine.url, voice, room=RoomAddress(machine.bare_url)) as (caller, _):
        await caller.hears_bot()
        await caller.bot_quiet()
        answered = await question(caller)
    turn = await last_turn(machine, http)
    run.sample(number, ANSWERED, BARE, answered - STOP_SECS - turn["think_seconds"])
    run.sample(number, SEARCHED, BARE, turn["tool_seconds"])


async def question(caller: Caller) -> float:
    """Ask, and return the seconds from the last sound of the question to the first of the answer."""
    asked = await caller.say(QUESTION)
    return await caller.hears_bot() - asked


def moments(timeline: dict[str, str | None]) -> dict[str, float]:
    """Return the moments that a session reached, in seconds."""
    return {name: datetime.fromisoformat(at).timestamp() for name, at in timeline.items() if at}


async def last_turn(machine: Machine, http: httpx.AsyncClient) -> dict[str, Any]:
    """Return the turn that the sandbox's model answered last."""
    sessions = (await http.get(f"{machine.store_url}/sandbox/model")).json()["sessions"]
    turn: dict[str, Any] = max(sessions, key=lambda session: session["started_at"])["turns"][-1]
    return turn
