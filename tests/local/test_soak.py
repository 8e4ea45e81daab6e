"""Many sessions, started and ended at random by many clients at once: each ends as it should, nothing grows.

500 sessions by default, what a busy controller sees in ten minutes; PODLINE_SOAK_SESSIONS sets others.
PODLINE_SOAK_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from testing.fakes.controllers.process_table import children_of, open_files, resident_megabytes, until
from testing.processes import Program, free_port

SESSIONS = int(os.environ.get("PODLINE_SOAK_SESSIONS", "500"))
SEED = os.environ.get("PODLINE_SOAK_SEED") or str(os.getpid())
CLIENTS = 20
WARM_UP_SESSIONS = 250
"""By then all code has been run, all pools are filled, and memory has levelled off: it is 66 MB after 100
sessions, 70 MB after 250, and 71 MB after 1,250."""

OFFER = {"sdp": "v=0", "type": "offer"}
BY_THEMSELVES = {
    "exit-67": "model_refused",
    "exit-1": "crashed",
    "exit-137": "out_of_memory",
    "signal-9": "vanished",
    "signal-11": "crashed",
}


@dataclass(frozen=True)
class Figures:
    """What must not grow."""

    files: int
    processes: int
    tasks: list[str]
    blocks: int
    megabytes: float


@dataclass(frozen=True)
class Controller:
    """A controller process whose bots do what is written in their user's id."""

    program: Program
    url: str
    directory: Path

    async def figures(self) -> Figures:
        """Once all that has ended is forgotten."""
        pid = self.program.process.pid
        async with httpx.AsyncClient(base_url=self.url) as client, asyncio.timeout(30):
            while (await client.get("/v1/sessions")).json()["sessions"]:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        await until(lambda: not list(self.directory.iterdir()) and len(children_of(pid)) == 1)
        async with asyncio.timeout(30):
            # Our own last question may still be on its way out of the controller.
            while "RequestResponseCycle.run_asgi" in (inner := await self._inner_figures())["tasks"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return Figures(
            open_files(pid), len(children_of(pid)), inner["tasks"], inner["blocks"], resident_megabytes(pid)
        )

    async def _inner_figures(self) -> dict[str, Any]:
        printed = len(self.program.said())
        self.program.process.send_signal(signal.SIGUSR1)
        await until(lambda: self.program.said()[printed:].endswith("}\n"))
        figures: dict[str, Any] = json.loads(self.program.said()[printed:].splitlines()[-1])
        return figures


@pytest.fixture
async def controller(tmp_path: Path) -> AsyncIterator[Controller]:
    port, directory = free_port(), tmp_path / "bots"
    directory.mkdir()
    variables = {
        "PODLINE_PORT": str(port),
        # A slot that is not given back is missed by a client.
        "PODLINE_CAPACITY": str(CLIENTS),
        "PODLINE_SESSIONS_PER_USER": str(CLIENTS),
        "PODLINE_GRACE_SECONDS": "1",
        "PODLINE_KEEP_ENDED_SECONDS": "6",
    }
    command = [sys.executable, "-m", "testing.fakes.controllers.podline", str(directory), "user"]
    program = Program.start("podline", command, tmp_path, variables)
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url) as client:
            await wait_until_ready(client)
        yield Controller(program, url, directory)
    finally:
        program.stop()


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(15):
        while True:
            with suppress(httpx.TransportError):
                if (await client.get("/readyz")).is_success:
                    return
            await asyncio.sleep(0.05)


class Caller:
    """One client, with its own chance."""

    def __init__(self, client: httpx.AsyncClient, chance: random.Random) -> None:
        self._client = client
        self._chance = chance

    async def call(self) -> tuple[str, str]:
        """Start and end one session in one of many ways; returns its reason, expected and seen."""
        way = self._chance.choice(
            (self._leaves, self._leaves, self._is_stopped, self._is_deaf, self._ends, self._hangs_up)
        )
        session_id, expected = await way()
        session = await self._until_over(session_id)
        if expected in ("caller_left", "stopped") and not session["user_id"].endswith("deaf"):
            # Where a bot was stopped before it could say anything, nothing is known of it.
            assert session["usage"]["partial"] is (session["timeline"]["process_up"] is None), session
        assert session["timeline"]["ended"] is not None
        return expected, session["reason"]

    async def _started(self, user_id: str, session_id: str | None = None) -> dict[str, Any]:
        body = {"user_id": user_id} | ({"session_id": session_id} if session_id else {})
        answer = await self._client.post("/v1/sessions", json=body)
        assert answer.status_code in (200, 201), answer.text
        started: dict[str, Any] = answer.json()
        return started

    async def _start(self, user_id: str, session_id: str | None = None) -> str:
        started: str = (await self._started(user_id, session_id))["id"]
        return started

    async def _leaves(self) -> tuple[str, str]:
        session = await self._started("join.leave")
        headers = {"Authorization": f"Bearer {session['room']['token']}"}
        answer = await self._client.post(session["room"]["url"], json=OFFER, headers=headers)
        assert answer.status_code in (200, 410), answer.text
        return session["id"], "caller_left"

    async def _is_stopped(self) -> tuple[str, str]:
        return await self._stopped(await self._start("join"))

    async def _is_deaf(self) -> tuple[str, str]:
        return await self._stopped(await self._start("join.child.deaf"))

    async def _ends(self) -> tuple[str, str]:
        user_id = self._chance.choice(list(BY_THEMSELVES))
        return await self._start(user_id), BY_THEMSELVES[user_id]

    async def _hangs_up(self) -> tuple[str, str]:
        """The request is broken off, whatever has come of it by then, and repeated."""
        session_id = f"hung-up-{self._chance.randrange(10**12)}"
        starting = asyncio.create_task(self._start("join", session_id))
        await asyncio.wait([starting], timeout=self._chance.uniform(0, 0.05))
        starting.cancel()
        await asyncio.wait([starting])
        return await self._stopped(await self._start("join", session_id))

    async def _stopped(self, session_id: str) -> tuple[str, str]:
        await asyncio.sleep(self._chance.uniform(0, 0.6))
        for _ in range(self._chance.choice((1, 2))):
            assert (await self._client.delete(f"/v1/sessions/{session_id}")).status_code in (200, 202)
        return session_id, "stopped"

    async def _until_over(self, session_id: str) -> dict[str, Any]:
        """Follow it, now and then with a stream that breaks."""
        while True:
            async with (
                asyncio.timeout(30),
                self._client.stream("GET", f"/v1/sessions/{session_id}/events") as stream,
            ):
                assert stream.status_code == 200, f"{session_id} was forgotten before its end was seen"
                async for line in stream.aiter_lines():
                    if not line.startswith("data: "):
                        continue
                    session: dict[str, Any] = json.loads(line.removeprefix("data: "))
                    if session["reason"] is not None:
                        return session
                    if self._chance.random() < 0.3:
                        break


async def storm(controller: Controller, sessions: int, chance: random.Random) -> Counter[str]:
    """That many calls, shared among the clients. Returns how many ended for which reason."""
    left = iter(range(sessions))
    reasons: Counter[str] = Counter()

    async def one_client(client: httpx.AsyncClient, own_chance: random.Random) -> None:
        caller = Caller(client, own_chance)
        for _ in left:
            expected, seen = await caller.call()
            assert seen == expected
            reasons[seen] += 1

    async with httpx.AsyncClient(base_url=controller.url, timeout=30) as client, asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(one_client(client, random.Random(chance.random())))  # noqa: S311 - likewise
    return reasons


async def test_nothing_grows_and_every_record_is_right(controller: Controller) -> None:
    chance = random.Random(SEED)  # noqa: S311 - not for secrets
    try:
        await storm(controller, WARM_UP_SESSIONS, chance)
        before = await controller.figures()
        reasons = await storm(controller, SESSIONS - WARM_UP_SESSIONS, chance)
        after = await controller.figures()
    except BaseException as error:
        error.add_note(f"PODLINE_SOAK_SEED={SEED}")
        raise

    assert reasons.total() == SESSIONS - WARM_UP_SESSIONS
    assert (after.files, after.processes, after.tasks) == (before.files, before.processes, before.tasks)
    # A record left behind is 38. Uvicorn keeps a connection that was reset, as by a bot that is killed,
    # until its keep-alive time is over, 75 s.
    assert after.blocks - before.blocks < 30 * reasons.total()
    assert after.megabytes - before.megabytes < 3
    assert "Traceback" not in controller.program.said(), controller.program.said()
