"""Starts that take a warm bot, in turn with cold ones of the same agent, and bots while they wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from scripts.benchmarks.calls.call import ACCEPTED, JOINED, moments
from scripts.benchmarks.calls.programs import (
    Machine,
    children_of,
    ended,
    private_megabytes,
    processor_seconds,
    programs,
    proportional_megabytes,
    resident_megabytes,
)
from scripts.benchmarks.calls.rooms import GREETED
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.warm.agents import COLD, WARM, make_agents
from testing.processes import eventually, until_warm_bots_wait

TOOK: Final = "starts that took a warm bot"
CAME: Final = "starts whose bot joined"
RESIDENT: Final = "resident memory of a waiting bot"
PROPORTIONAL: Final = "proportional memory of a waiting bot"
PRIVATE: Final = "memory that a waiting bot shares with nobody"
PRELOADED: Final = "proportional memory of the process that bots are forked from"
WAITED: Final = "from a waiting bot's start until it waits"
WATCHED: Final = "processor time of a waiting bot in 10 s"

_RUNNER: Final = "podline.runner"
_WAITS: Final = "waiting for a call"
_READY_SECONDS: Final = 60.0
_JOIN_SECONDS: Final = 300.0
"""Only a hang takes this long: a hundred cold bots share the machine."""

_CONNECTIONS: Final = 20
"""A web app's to the controller: that refuses more requests of one client at one time than most apps send."""

_BOT_MEGABYTES: Final = 150
"""As much as a bot adds to what is used: a machine with too little memory is not measured while it swaps."""


@dataclass(frozen=True)
class LocalSizes:
    """How much is measured.

    Attributes:
        kept: Warm bots.
        at_once: Starts at one moment, all of which find a warm bot.
        bursts: How often there are so many, of each agent.
        crowd: Starts at one moment, most of which find none.
        watched_seconds: How long waiting bots are watched.
    """

    kept: int
    at_once: int
    bursts: int
    crowd: int
    watched_seconds: float


FULL: Final = LocalSizes(kept=20, at_once=20, bursts=2, crowd=100, watched_seconds=10.0)
SMALL: Final = LocalSizes(kept=2, at_once=2, bursts=1, crowd=3, watched_seconds=1.0)


@dataclass(frozen=True)
class MeasuredStart:
    """One start, and its bot's arrival in the room.

    Attributes:
        answered_seconds: From the request to its answer.
        joined_seconds: From when the controller accepted the request until the bot has joined.
        is_cold: True if no warm bot took it.
        greeted_seconds: From the request to the first sound that the caller heard; None without a caller.
        waited_seconds: From the start of the bot's process until it waited; None if it never did.
    """

    answered_seconds: float
    joined_seconds: float
    is_cold: bool
    greeted_seconds: float | None = None
    waited_seconds: float | None = None

    def figures(self) -> dict[str, float]:
        """Return what was measured, by what it is, without how many started at one time."""
        known = {ACCEPTED: self.answered_seconds, JOINED: self.joined_seconds}
        return known if self.greeted_seconds is None else {**known, GREETED: self.greeted_seconds}


def alone(figure: str) -> str:
    """Name a figure of starts one after another."""
    return f"{figure}, one at a time"


def together(figure: str, at_once: int) -> str:
    """Name a figure of starts at one moment."""
    return f"{figure}, {at_once} at one time"


def memory_name(figure: str, waiting: int) -> str:
    return f"{figure}, {waiting} of them"


async def measure(run: BenchRun) -> None:
    """Call each agent so many times, in turn; then start several sessions at one moment; then only wait."""
    sizes = SMALL if run.is_small else FULL
    voice = Voice()
    agents = run.directory / "agents"
    agents.mkdir()
    settings = {
        "PODLINE_AGENTS": str(agents),
        "PODLINE_CAPACITY": str(sizes.crowd + 2 * sizes.kept),
        "PODLINE_SESSIONS_PER_USER": str(sizes.crowd),
        "PODLINE_START_TIMEOUT_SECONDS": str(_JOIN_SECONDS),
        "PODLINE_GRACE_SECONDS": "3",
    }
    run.progress.doing("starting sandbox, controller and warm bots")
    with programs(run.directory, settings) as machine:
        make_agents(run.directory, agents, machine.sandbox, sizes.kept)
        pooled = httpx.Limits(max_connections=_CONNECTIONS)
        async with httpx.AsyncClient(base_url=machine.url, timeout=_JOIN_SECONDS, limits=pooled) as http:
            for number in run.rounds():
                run.progress.at(number, run.count, "call")
                for agent in _in_turn(number):
                    await until_warm_bots_wait(http, WARM, sizes.kept, _READY_SECONDS)
                    start = await _call(machine, http, voice, agent)
                    _sample(run, number, agent, start, alone)
            await _measure_bursts(run, machine, http, sizes)
            await _measure_crowd(run, machine, http, sizes)
            await until_warm_bots_wait(http, WARM, sizes.kept, _READY_SECONDS)
            run.progress.doing("watching bots that wait")
            await _measure_waiting(run, machine, sizes)


async def _measure_bursts(
    run: BenchRun, machine: Machine, http: httpx.AsyncClient, sizes: LocalSizes
) -> None:
    if not _has_memory(run, sizes.kept + sizes.at_once):
        return
    name = partial(together, at_once=sizes.at_once)
    for number in range(1, sizes.bursts + 1):
        run.progress.at(number, sizes.bursts, f"{sizes.at_once} starts at one time,")
        for agent in _in_turn(number):
            await until_warm_bots_wait(http, WARM, sizes.kept, _READY_SECONDS)
            for start in await _starts(machine, http, agent, sizes.at_once):
                _sample(run, number, agent, start, name)


async def _measure_crowd(run: BenchRun, machine: Machine, http: httpx.AsyncClient, sizes: LocalSizes) -> None:
    """Start many more sessions of the agent with warm bots than it has of those. The rest start cold."""
    if not _has_memory(run, sizes.kept + sizes.crowd):
        return
    name = partial(together, at_once=sizes.crowd)
    await until_warm_bots_wait(http, WARM, sizes.kept, _READY_SECONDS)
    run.progress.doing(f"{sizes.crowd} starts at one time, {sizes.kept} warm bots")
    starts = await _starts(machine, http, WARM, sizes.crowd, may_fail=True)
    for number in range(sizes.crowd):
        run.results.sample(name(CAME), WARM, float(number < len(starts)))
    for start in starts:
        for figure, value in start.figures().items():
            run.sample(1, name(figure), COLD if start.is_cold else WARM, value)
        run.sample(1, name(TOOK), WARM, float(not start.is_cold))


async def _measure_waiting(run: BenchRun, machine: Machine, sizes: LocalSizes) -> None:
    preloaded = children_of(machine.controller.process.pid, _RUNNER)
    bots = [bot for each in preloaded for bot in children_of(each, _RUNNER)]
    if len(preloaded) != 1 or len(bots) != sizes.kept:
        run.faults.append(f"{len(bots)} bots of {len(preloaded)} wait, and {sizes.kept} were ready.")
    before = {bot: processor_seconds(bot) for bot in bots}
    await asyncio.sleep(sizes.watched_seconds)
    for bot, used in before.items():
        in_ten_seconds = (processor_seconds(bot) - used) / sizes.watched_seconds * 10
        run.results.sample(WATCHED, WARM, in_ten_seconds)
        run.results.sample(memory_name(RESIDENT, sizes.kept), WARM, resident_megabytes(bot))
        run.results.sample(memory_name(PROPORTIONAL, sizes.kept), WARM, proportional_megabytes(bot))
        run.results.sample(PRIVATE, WARM, private_megabytes(bot))
    for each in preloaded:
        run.results.sample(PRELOADED, WARM, proportional_megabytes(each))


def _in_turn(number: int) -> tuple[str, str]:
    return (WARM, COLD) if number % 2 else (COLD, WARM)


def _sample(run: BenchRun, number: int, agent: str, start: MeasuredStart, name: Callable[[str], str]) -> None:
    for figure, value in start.figures().items():
        run.sample(number, name(figure), agent, value)
    if start.waited_seconds is not None:
        run.sample(number, WAITED, agent, start.waited_seconds)
    if agent == WARM:
        run.sample(number, name(TOOK), agent, float(not start.is_cold))


async def _call(machine: Machine, http: httpx.AsyncClient, voice: Voice, agent: str) -> MeasuredStart:
    """Start a session, hear the bot's first sound, and leave."""
    began = time.monotonic()
    answered, session = await _begin(http, agent)
    room = RoomAddress(session["room"]["url"], session["room"]["token"])
    async with calling(machine.url, voice, room=room) as (caller, _):
        greeted = await caller.hears_bot() - began
    waited = await _seconds_until_it_waited(http, session["id"])
    [session] = await _end(machine, http, [session])
    return MeasuredStart(answered, _seconds_to_join(session), session["cold_start"], greeted, waited)


async def _starts(
    machine: Machine, http: httpx.AsyncClient, agent: str, at_once: int, *, may_fail: bool = False
) -> Sequence[MeasuredStart]:
    """Start so many sessions at one moment, and end them once all bots have joined. Nobody calls.

    With `may_fail`, those whose bots never join are left out.
    """
    began = await asyncio.gather(*(_begin(http, agent) for _ in range(at_once)))
    joined = await asyncio.gather(*(_joined(http, session["id"], may_fail=may_fail) for _, session in began))
    await _end(machine, http, [session for _, session in began])
    return [
        MeasuredStart(answered, _seconds_to_join(session), session["cold_start"])
        for (answered, _), session in zip(began, joined, strict=True)
        if session["timeline"]["joined"]
    ]


async def _end(
    machine: Machine, http: httpx.AsyncClient, sessions: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """End sessions, and return them once their bots are gone."""
    for session in sessions:
        (await http.delete(f"/v1/sessions/{session['id']}")).raise_for_status()
    return await asyncio.gather(*(ended(machine, http, session["id"]) for session in sessions))


async def _begin(http: httpx.AsyncClient, agent: str) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    answer = await http.post("/v1/sessions", json={"user_id": "bench", "agent": agent})
    return time.monotonic() - began, answer.raise_for_status().json()


async def _joined(http: httpx.AsyncClient, session_id: str, *, may_fail: bool = False) -> dict[str, Any]:
    """Return the session once its bot has joined, or has failed if it may."""

    async def found() -> dict[str, Any] | None:
        session: dict[str, Any] = (await http.get(f"/v1/sessions/{session_id}")).raise_for_status().json()
        if session["phase"] == "failed" and may_fail:
            return session
        if session["phase"] == "failed":
            raise RuntimeError(f"A session failed: {session['message']}")
        return session if session["timeline"]["joined"] else None

    return await eventually(found, "a bot that has joined", within=_JOIN_SECONDS)


async def _seconds_until_it_waited(http: httpx.AsyncClient, session_id: str) -> float | None:
    """Return what the bot has logged about that."""
    lines = (await http.get(f"/v1/sessions/{session_id}/logs")).raise_for_status().text.splitlines()
    waits = [json.loads(line) for line in lines if f'"{_WAITS}"' in line]
    return float(waits[0]["seconds"]) if waits else None


def _seconds_to_join(session: dict[str, Any]) -> float:
    at = moments(session["timeline"])
    return at["joined"] - at["accepted"]


def _has_memory(run: BenchRun, bots: int) -> bool:
    """Return whether so many bots fit into what is available: MemAvailable of proc(5)'s meminfo."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    [line] = [each for each in lines if each.startswith("MemAvailable:")]
    fit = int(line.split()[1]) * 1024 / 1e6 >= bots * _BOT_MEGABYTES
    if not fit:
        run.progress.doing(f"leaving out {bots} bots at one time, for which there is too little memory")
    return fit
