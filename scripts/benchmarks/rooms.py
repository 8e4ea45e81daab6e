"""What a room costs: the same calls in LiveKit's and without any, in turn, on a server of our own."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from sandbox.caller import calling
from sandbox.caller_livekit import QUEUE_MILLISECONDS
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.call import STOP_SECS, last_turn, progress, question
from scripts.benchmarks.programs import Machine, ended, milliseconds, programs, system
from testing.servers.livekit import livekit_server

CALLERS_OWN: Final = {"webrtc": 0.0, "livekit": QUEUE_MILLISECONDS / 1000}
"""Seconds for which the scripted caller holds its own words back; a browser does not."""


@dataclass
class RoomFigures:
    """Of calls at one provider, in seconds."""

    accepted: list[float] = field(default_factory=list)
    joined: list[float] = field(default_factory=list)
    greeted: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)


async def measure(directory: Path, calls: int) -> str:
    """The table of figures, over so many calls at each provider."""
    voice = Voice()
    direct, roomed = directory / "webrtc", directory / "livekit"
    for each in (direct, roomed):
        each.mkdir()
    with (
        livekit_server(directory, lambda _: None) as server,
        programs(direct, with_bare=False) as without,
        programs(roomed, with_bare=False, **server.variables) as within,
    ):
        machines = {"webrtc": without, "livekit": within}
        figures = {provider: RoomFigures() for provider in machines}
        async with httpx.AsyncClient() as http:
            for number in range(calls + 1):
                for provider, machine in machines.items():
                    # The first of each only warms up.
                    sample = figures[provider] if number else RoomFigures()
                    await one_call(machine, provider, http, voice, sample)
                progress(number, calls)
    return table(figures, calls)


async def one_call(
    machine: Machine, provider: str, http: httpx.AsyncClient, voice: Voice, figures: RoomFigures
) -> None:
    began = time.monotonic()
    answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
    figures.accepted.append(time.monotonic() - began)
    session = answer.raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"], provider)
    async with calling(machine.url, voice, room=room) as (caller, _):
        figures.greeted.append(await caller.hears_bot() - began)
        await caller.bot_quiet()
        answered = await question(caller)
    think = (await last_turn(machine, http))["think_seconds"]
    figures.answered.append(answered - STOP_SECS - think - CALLERS_OWN[provider])
    timeline = (await ended(machine, http, session["id"]))["timeline"]
    accepted, joined = (datetime.fromisoformat(timeline[moment]) for moment in ("accepted", "joined"))
    figures.joined.append((joined - accepted).total_seconds())


def table(figures: dict[str, RoomFigures], calls: int) -> str:
    names = {
        "accepted": "POST /v1/sessions until 201",
        "joined": "accepted to joined",
        "greeted": "POST to the greeting's first sound",
        "answered": "end of speech to first sound, less VAD's wait and model",
    }
    rows = []
    for name, title in names.items():
        samples = {provider: getattr(each, name) for provider, each in figures.items()}
        rows += [(f"{title}: {provider}", milliseconds(found)) for provider, found in samples.items()]
        rows.append((f"{title}: the room's part", difference(samples["livekit"], samples["webrtc"])))
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"Medians over {calls} calls at each provider, in turn; {system()}", ""]
        + [f"{name:{width}}  {value}" for name, value in rows]
    )


def difference(longer: list[float], shorter: list[float]) -> str:
    """Of calls that followed each other, so that what else the machine did meets both."""
    pairs = sorted(one - other for one, other in zip(longer, shorter, strict=True))
    low, middle, high = statistics.quantiles(pairs, n=4)
    return f"{middle * 1000:+.0f} ms  (quartiles {low * 1000:+.0f} and {high * 1000:+.0f})"
