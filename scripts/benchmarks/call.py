"""Figures of a call on this machine, as medians over some calls: ours beside a bare Pipecat pipeline's."""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.caller import Caller, calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.programs import (
    Machine,
    child_of,
    cores_used,
    ended,
    milliseconds,
    programs,
    resident_megabytes,
    system,
)

STOP_SECS: Final = 0.5
"""What voice activity detection waits for, in ours and in the bare pipeline."""
QUESTION: Final = "find running shoes"


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


async def measure(directory: Path, calls: int) -> str:
    """The table of figures, over so many calls of each kind."""
    figures = Figures()
    voice = Voice()
    with programs(directory, with_bare=True) as machine:
        async with httpx.AsyncClient() as http:
            for number in range(calls + 1):
                sample = figures if number else Figures()  # the first pair only warms up
                await our_call(machine, http, voice, sample)
                await bare_call(machine, http, voice, sample)
                progress(number, calls)
    return table(figures, calls)


async def our_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, figures: Figures) -> None:
    began = time.monotonic()
    answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
    figures.accepted.append(time.monotonic() - began)
    session = answer.raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"])
    async with calling(machine.url, voice, room=room) as (caller, _):
        bot = child_of(machine.controller.process.pid, "podline.runner")
        await caller.hears_bot()
        await caller.bot_quiet()
        figures.idle_cores.append(await cores_used(bot))
        answered = await question(caller)
        figures.speaking_cores.append(await cores_used(bot))
        figures.memory_megabytes.append(resident_megabytes(bot))
    note(figures.ours, figures.ours_tool, answered, await last_turn(machine, http))
    note_start(figures, await ended(machine, http, session["id"]))


async def bare_call(machine: Machine, http: httpx.AsyncClient, voice: Voice, figures: Figures) -> None:
    async with calling(machine.url, voice, room=RoomAddress(machine.bare_url)) as (caller, _):
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
    return "\n".join(
        [f"Medians over {calls} calls of each kind; {system()}", ""]
        + [f"{name:{width}}  {value}" for name, value in rows]
    )
