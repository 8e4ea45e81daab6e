"""What a room costs: the same calls in LiveKit's and without any, in turn, on a server of our own."""

from __future__ import annotations

import time
from typing import Final

import httpx

from sandbox.caller import calling
from sandbox.caller_livekit import QUEUE_MILLISECONDS
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import ACCEPTED, ANSWERED, JOINED, STOP_SECS, last_turn, moments, question
from scripts.benchmarks.calls.programs import Machine, ended, programs
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import MILLISECONDS, Comparison, Figure, Table, table_of
from testing.servers.livekit import livekit_server

CALLERS_OWN: Final = {"webrtc": 0.0, "livekit": QUEUE_MILLISECONDS / 1000}
"""Seconds for which the scripted caller holds its own words back; a browser does not."""
GREETED: Final = "POST to the greeting's first sound"

_ROOMS_PART: Final = (Comparison("livekit", "webrtc"),)
FIGURES: Final = tuple(
    Figure(name, MILLISECONDS, _ROOMS_PART) for name in (ACCEPTED, JOINED, GREETED, ANSWERED)
)


def table(results: Results) -> Table:
    return table_of(results, FIGURES)


async def measure(run: BenchRun) -> None:
    """Make so many calls at each provider, in turn."""
    voice = Voice()
    direct, roomed = run.directory / "webrtc", run.directory / "livekit"
    for each in (direct, roomed):
        each.mkdir()
    run.progress.doing("starting LiveKit, sandboxes and controllers")
    with (
        livekit_server(run.directory, lambda _: None) as server,
        programs(direct) as without,
        programs(roomed, server.variables) as within,
    ):
        machines = {"webrtc": without, "livekit": within}
        async with httpx.AsyncClient() as http:
            for number in run.rounds():
                run.progress.at(number, run.count, "call")
                for provider, machine in machines.items():
                    await one_call(machine, provider, http, voice, run, number)


async def one_call(
    machine: Machine, provider: str, http: httpx.AsyncClient, voice: Voice, run: BenchRun, number: int
) -> None:
    began = time.monotonic()
    answer = await http.post(f"{machine.url}/v1/sessions", json={"user_id": "bench"})
    run.sample(number, ACCEPTED, provider, time.monotonic() - began)
    session = answer.raise_for_status().json()
    room = RoomAddress(session["room"]["url"], session["room"]["token"], provider)
    async with calling(machine.url, voice, room=room) as (caller, _):
        run.sample(number, GREETED, provider, await caller.hears_bot() - began)
        await caller.bot_quiet()
        answered = await question(caller)
    think = (await last_turn(machine, http))["think_seconds"]
    run.sample(number, ANSWERED, provider, answered - STOP_SECS - think - CALLERS_OWN[provider])
    at = moments((await ended(machine, http, session["id"]))["timeline"])
    run.sample(number, JOINED, provider, at["joined"] - at["accepted"])
