"""A controller that is killed, stopped or loses its guardian, seen by what becomes of its processes."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.orphans import left_behind
from testing.fakes.controllers.process_table import children_of, command_of, exists, until, workers_in
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.processes import free_port

GRACE_SECONDS = 1.0


@dataclass
class Podline:
    """A controller process, and a web app's registry of it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    directory: Path

    @property
    def guardians(self) -> list[int]:
        return [pid for pid in children_of(self.process.pid) if "orphans.py" in command_of(pid)]

    @property
    def bots(self) -> list[int]:
        return [pid for pid in children_of(self.process.pid) if "bot.py" in command_of(pid)]

    async def start(self, words: str) -> str:
        answer = await self.client.post("/v1/sessions", json={"user_id": words})
        assert answer.status_code == 201, answer.text
        session_id: str = answer.json()["id"]
        await self.until(session_id, lambda session: session["phase"] == "live")
        return session_id

    async def request_and_be_cut_off(self, words: str) -> None:
        with suppress(httpx.TransportError):
            await self.client.post("/v1/sessions", json={"user_id": words})

    async def turns_of_bot(self, session_id: str) -> int:
        """What the bot has counted itself, in the last line but one of its log."""
        lines = (await self.client.get(f"/v1/sessions/{session_id}/logs")).text.splitlines()
        return int(lines[-2].removeprefix("turns "))

    async def until(self, session_id: str, what: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                session: dict[str, Any] = (await self.client.get(f"/v1/sessions/{session_id}")).json()
                if what(session):
                    return session
                await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        try:
            return (await self.client.get("/readyz")).is_success
        except httpx.TransportError:
            return False


@asynccontextmanager
async def podline(directory: Path, **settings: str) -> AsyncIterator[Podline]:
    """Serve a controller whose bots do what is written in their user's id."""
    bots = directory / "bots"
    bots.mkdir()
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "testing.fakes.controllers.podline", str(bots), "user"),
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "PODLINE_PORT": str(port),
            "PODLINE_GRACE_SECONDS": str(GRACE_SECONDS),
            **settings,
        },
        start_new_session=True,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            served = Podline(process, client, bots)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not await served.is_ready():  # noqa: ASYNC110 - seen from outside only
                    await asyncio.sleep(0.02)
            yield served
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


async def test_no_bot_outlives_a_controller_that_is_killed(tmp_path: Path) -> None:
    async with podline(tmp_path) as served:
        await served.start("join")
        await served.start("join.deaf")
        await served.start("join.child.deaf")
        bots = served.bots
        grandchildren = [pid for bot in bots for pid in children_of(bot)]
        everybody = [*bots, *grandchildren, *served.guardians]
        assert (len(bots), len(grandchildren), len(everybody)) == (3, 1, 5)
        served.process.kill()

        await until(lambda: not any(map(exists, everybody)), within=GRACE_SECONDS + 5)
        assert not served.directory.exists()


async def test_a_bot_that_is_frozen_does_not_outlive_a_killed_controller_either(tmp_path: Path) -> None:
    async with podline(tmp_path) as served:
        await served.start("join")
        everybody = [*served.bots, *served.guardians]
        os.kill(served.bots[0], signal.SIGSTOP)
        served.process.kill()

        await until(lambda: not any(map(exists, everybody)), within=GRACE_SECONDS + 5)


async def test_a_bot_that_is_just_being_launched_does_not_outlive_a_killed_controller(tmp_path: Path) -> None:
    async with podline(tmp_path, PODLINE_SESSIONS_PER_USER="10") as served:
        [guardian] = served.guardians
        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(served.request_and_be_cut_off("join.deaf"))
            await until(lambda: len(workers_in(served.directory)) > 2)
            served.process.kill()

        await until(lambda: not exists(guardian), within=GRACE_SECONDS + 5)
        assert workers_in(served.directory) == []


async def test_an_orderly_end_takes_the_guardian_along(tmp_path: Path) -> None:
    async with podline(tmp_path) as served:
        await served.start("join")
        everybody = [*served.bots, *served.guardians]
        served.process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await served.process.wait()

        assert not any(map(exists, everybody))


async def test_a_guardian_that_is_killed_has_a_successor_who_knows_every_bot(tmp_path: Path) -> None:
    async with podline(tmp_path) as served:
        await served.start("join")
        [guardian] = served.guardians
        os.kill(guardian, signal.SIGKILL)
        await served.start("join.deaf")
        await until(lambda: bool(served.guardians))
        assert served.guardians != [guardian]
        everybody = [*served.bots, *served.guardians]
        assert len(everybody) == 3
        served.process.kill()

        await until(lambda: not any(map(exists, everybody)), within=GRACE_SECONDS + 5)


async def test_without_a_guardian_there_are_no_launches(tmp_path: Path) -> None:
    guardian = Guardian(tmp_path, GRACE_SECONDS, program=("/nowhere/at/all",))
    assert guardian.is_able
    running = asyncio.create_task(guardian.run())
    await until(lambda: not guardian.is_able)
    running.cancel()
    await asyncio.wait([running])
    await guardian.close()


def test_what_a_guardian_was_told_is_taken_line_by_line_and_nobody_else_is_signalled() -> None:
    lines = ["7\n", "+100\n", "+200\n", "+100\n", "-100\n", "-300\n", "+0\n", "+1\n", "noise\n", "+40"]
    assert left_behind(lines) == {200}


async def test_calls_go_on_when_the_controller_was_stopped_for_longer_than_a_bot_may_be_silent(
    tmp_path: Path,
) -> None:
    settings = {"PODLINE_SILENCE_SECONDS": "3", "PODLINE_START_TIMEOUT_SECONDS": "6"}
    async with podline(tmp_path, **settings) as served:
        calls = [await served.start("join.busy"), await served.start("join.busy.2")]
        before = {call: (await served.until(call, bool))["usage"]["turns"] for call in calls}
        starting = (await served.client.post("/v1/sessions", json={"user_id": "silent"})).json()["id"]
        served.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(8)
        served.process.send_signal(signal.SIGCONT)

        for call in calls:
            session = await served.until(call, lambda seen: seen["usage"]["turns"] > before[seen["id"]] + 10)
            assert session["phase"] == "live"
        assert (await served.until(starting, bool))["phase"] == "starting"
        for call in calls:
            await served.client.delete(f"/v1/sessions/{call}")
            over = await served.until(call, lambda seen: seen["reason"] is not None)
            assert (over["reason"], over["usage"]["partial"]) == ("stopped", False)
            assert over["usage"]["turns"] == await served.turns_of_bot(call)
