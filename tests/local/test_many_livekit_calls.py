"""Many short calls in rooms of a real LiveKit server, a few at a time: nothing of them is left over.

100 calls by default; PODLINE_ROOM_CALLS sets another number.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.caller import calling
from sandbox.voice import Voice
from tests.fakes.process_table import children_of, open_files
from tests.livekit.server import LiveKitServer
from tests.local.conftest import PROGRAMS, serving
from tests.local.processes import Program, Sandbox, bots_of, ended_session, eventually

CALLS = int(os.environ.get("PODLINE_ROOM_CALLS", "100"))
AT_ONCE = 4
PATIENCE_SECONDS = 60.0
"""Four bots start at one time on two cores. A connection kept for the next request is let go sooner."""


@dataclass(frozen=True)
class Figures:
    """What a controller has of the system, and what it does."""

    files: int
    processes: int
    tasks: list[str]


async def figures(controller: Program) -> Figures:
    """As they are now."""
    pid = controller.process.pid
    told = len(lines_of_figures(controller))
    controller.process.send_signal(signal.SIGUSR1)

    async def answered() -> list[str]:
        return lines_of_figures(controller)[told:]

    [line] = await eventually(answered, "what the controller does")
    return Figures(open_files(pid), len(children_of(pid)), json.loads(line)["tasks"])


def lines_of_figures(controller: Program) -> list[str]:
    return [
        line for line in controller.said().splitlines() if line.startswith('{"tasks"') and line[-1] == "}"
    ]


async def group_of_calls(url: str, voice: Voice, numbers: range) -> list[str]:
    """Callers who leave at the greeting's first sound. Returns their sessions, once all have ended well."""

    async def call(number: int) -> str:
        async with calling(url, voice, user_id=f"caller-{number}") as (caller, session_id):
            assert session_id is not None
            await caller.hears_bot(within=PATIENCE_SECONDS)
        async with httpx.AsyncClient(base_url=url) as client:
            ended = await eventually(lambda: ended_session(client, session_id), "the end")
        assert (ended["phase"], ended["reason"]) == ("ended", "caller_left"), ended
        return session_id

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(call(number)) for number in numbers]
    return [call.result() for call in calls]


async def test_of_a_hundred_calls_no_room_process_file_or_task_is_left(
    sandbox: Sandbox,
    livekit: LiveKitServer,
    voice: Voice,
    tmp_path: Path,
    pytestconfig: pytest.Config,
) -> None:
    programs = pytestconfig.stash[PROGRAMS]
    variables = {**livekit.variables, "PODLINE_KEEP_ENDED_SECONDS": "5"}
    with serving(sandbox, tmp_path, programs, variables, "tests.local.telling_controller") as url:
        controller = programs[-1]

        async def nothing_is_left(sessions: list[str]) -> None:
            assert await eventually(livekit.is_empty, "the rooms' end")
            assert [bot for session in sessions for bot in bots_of(session)] == []

        await nothing_is_left(await group_of_calls(url, voice, range(AT_ONCE)))
        first = await figures(controller)
        for begin in range(AT_ONCE, CALLS, AT_ONCE):
            numbers = range(begin, min(begin + AT_ONCE, CALLS))
            await nothing_is_left(await group_of_calls(url, voice, numbers))

        async def has_no_more_than_at_first() -> bool:
            last = await figures(controller)
            is_same = (last.processes, last.tasks) == (first.processes, first.tasks)
            return is_same and last.files <= first.files

        within = PATIENCE_SECONDS
        assert await eventually(has_no_more_than_at_first, f"figures as at first: {first}", within)
