"""Warm bots that the runner forks for the local runtime: each is a process like one that was spawned."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.core.agents import BUILT_IN
from controller.core.primitives.clock import system_clock
from controller.core.runtime import Exit
from controller.core.warm import WarmBot, WarmLaunch
from controller.runtimes.local.programs import BotProgram
from controller.runtimes.local.runtime import LocalRuntime
from podline.contract.messages import Assignment, AssignmentMessage
from testing.fakes.bots.bot_controller import FakeController
from testing.fakes.controllers.process_table import children_of, command_of, exists, until
from testing.processes import parent_of

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0
MEMORY_MEGABYTES = 4000

BOT = """
import json, os, random, ssl, uuid
import numpy
from pipecat.audio.vad.silero import SileroVADAnalyzer

print("imported", flush=True)

async def bot(runner_args):
    drawn = [random.random(), numpy.random.random(), ssl.RAND_bytes(8).hex(), str(uuid.uuid4())]
    voice = SileroVADAnalyzer(sample_rate=16000)
    voice.set_sample_rate(16000)
    heard = float(voice.voice_confidence(bytes(1024))[0])
    said = {"drawn": drawn, "heard": heard, "variables": dict(os.environ), "cwd": os.getcwd()}
    print(json.dumps(said), flush=True)
"""
WITH_A_THREAD = f"""
import threading

threading.Thread(target=threading.Event().wait, name="of the bot", daemon=True).start()
{BOT}
"""
CHANGES_WHAT_IT_READS = f"""
from pathlib import Path

counted = Path(__file__).with_name("imports")
counted.write_text("once\\n")
counted.write_text(counted.read_text() + "again\\n")
{BOT}
"""
CALL = {
    "SESSION_ID": "session-1",
    "USER_ID": "ana",
    "DAILY_ROOM_URL": "https://podline.invalid/room",
    "DAILY_TOKEN": "token-of-the-room",
    "PODLINE_TRANSPORT": "daily",
}


@dataclass
class Waiting:
    """A bot that waits, and the controller that it polls."""

    pid: int
    controller: FakeController


class Machine:
    """A local runtime with one agent, whose bots each have a controller of their own."""

    def __init__(self, runtime: LocalRuntime, directory: Path, bot_file: Path, stack: AsyncExitStack) -> None:
        self.runtime = runtime
        self.bot_file = bot_file
        self._directory = directory
        self._stack = stack
        self._exits: asyncio.Queue[tuple[str, Exit]] = asyncio.Queue()

    async def watch(self) -> None:
        async for observation in self.runtime.watch():
            if observation.exit is not None:
                self._exits.put_nowait((observation.launch_id, observation.exit))

    async def launch(self, launch_id: str) -> Waiting:
        controller = await self._stack.enter_async_context(FakeController(launch_id))
        controller.start_seconds = PATIENCE_SECONDS
        channel = controller.channel
        launch = WarmLaunch(
            bot=WarmBot(
                launch_id=launch_id, agent=BUILT_IN.name, agent_version=BUILT_IN.id, created=datetime.now(UTC)
            ),
            agent=BUILT_IN,
            environment={"PODLINE_WARM": "true", "PODLINE_AGENT": BUILT_IN.name},
            secrets={"PODLINE_LAUNCH_TOKEN": channel.token, "PODLINE_CONTROLLER_URL": channel.url},
            deadline_seconds=3600,
        )
        await self.runtime.launch_warm(launch)
        await controller.until(lambda: bool(controller.polls))
        [pid] = launched_as(launch_id)
        return Waiting(pid, controller)

    async def exit(self) -> tuple[str, Exit]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._exits.get()

    async def log(self, launch_id: str) -> str:
        return b"".join([part async for part in await self.runtime.logs(launch_id, follow=False)]).decode()

    async def call(self, bot: Waiting) -> tuple[Exit, dict[str, Any]]:
        """Give a bot its call. Return how it ended, and what it printed in the call."""
        launch_id = bot.controller.launch_id
        bot.controller.assignments["m1"] = Assignment({**CALL, "PODLINE_LAUNCH_ID": launch_id})
        await bot.controller.queue(AssignmentMessage("m1", "session-1"))
        of, exit_ = await self.exit()
        assert of == launch_id
        [line] = [each for each in (await self.log(launch_id)).splitlines() if each.startswith('{"drawn"')]
        printed: dict[str, Any] = json.loads(line)
        return exit_, printed


@asynccontextmanager
async def machine(directory: Path, code: str) -> AsyncIterator[Machine]:
    work, home = directory / "work", directory / "home"
    work.mkdir()
    home.mkdir()
    (home / "bot.py").write_text(code)
    program = BotProgram(
        command=(sys.executable, "-P", "-m", "podline.runner"),
        defaults={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        variables={"PODLINE_BOT_FILE": str(home / "bot.py")},
        can_preload=True,
    )
    runtime = LocalRuntime(
        program_of=lambda _agent: program,
        directory=work,
        grace_seconds=5,
        keep_ended_seconds=60,
        clock=system_clock(),
        memory_megabytes=MEMORY_MEGABYTES,
    )
    async with AsyncExitStack() as stack:
        here = Machine(runtime, work, home / "bot.py", stack)
        watching = asyncio.create_task(here.watch())
        try:
            await until(lambda: runtime.not_ready_reason() is None)
            yield here
        finally:
            everybody = [bot for child in children_of(os.getpid()) for bot in (child, *children_of(child))]
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            assert not any(map(exists, everybody)), "no process outlives the runtime"


def launched_as(launch_id: str) -> list[int]:
    """The processes that began with this launch's id, as far as the kernel knows."""
    mark = f"PODLINE_LAUNCH_ID={launch_id}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def data_limit_of(pid: int) -> int:
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [line] = [each for each in limits if each.startswith("Max data size")]
    return int(line.split()[3])


def is_forked(bot: Waiting) -> bool:
    return parent_of(bot.pid) != os.getpid()


async def test_each_forked_bot_is_a_process_of_its_own(tmp_path: Path) -> None:
    async with machine(tmp_path, BOT) as here:
        one, two = await here.launch("one"), await here.launch("two")
        [ready] = one.controller.reports

        assert one.pid != two.pid
        preloaded = parent_of(one.pid)
        assert preloaded == parent_of(two.pid) != os.getpid()
        assert "podline.runner" in command_of(preloaded)
        for bot in (one, two):
            assert (os.getsid(bot.pid), os.getpgid(bot.pid)) == (bot.pid, bot.pid)
            assert data_limit_of(bot.pid) == MEMORY_MEGABYTES * 2**20
            lines = (await here.log(bot.controller.launch_id)).splitlines()
            assert lines[0] == "imported", "what was printed before there was a bot"
            assert sum("waiting for a call" in line for line in lines) == 1
        assert (ready.seq, ready.timeline.joined) == (1, None)
        assert ready.timeline.process_up == pytest.approx(0, abs=0.01)

        of_one, by_one = await here.call(one)
        of_two, by_two = await here.call(two)

    assert (of_one.exit_code, of_one.signal) == (of_two.exit_code, of_two.signal) == (1, None)
    assert of_one.final_report is not None
    assert of_one.final_report.reason == "crashed", "it has made no pipeline"
    assert by_one["heard"] == by_two["heard"] < 0.1, "onnxruntime works, which was imported before"
    assert not set(by_one["drawn"]) & set(by_two["drawn"]), "none of it is the other's"
    assert by_one["variables"]["PODLINE_LAUNCH_ID"] == "one"
    assert by_one["variables"]["PODLINE_LAST_WORD"] != by_two["variables"]["PODLINE_LAST_WORD"]
    assert by_one["cwd"] != by_two["cwd"]
    assert {**CALL, "DAILY_TOKEN": "***"}.items() <= by_one["variables"].items(), "its secrets are masked"
    assert not {"PODLINE_FORKS", "PODLINE_WARM"} & by_one["variables"].keys()


async def test_how_a_forked_bot_ends_is_known_as_if_it_had_been_spawned(tmp_path: Path) -> None:
    async with machine(tmp_path, BOT) as here:
        killed, frozen = await here.launch("killed"), await here.launch("frozen")
        os.kill(killed.pid, signal.SIGKILL)
        _, exit_ = await here.exit()
        assert (exit_.exit_code, exit_.signal) == (None, signal.SIGKILL)

        os.kill(frozen.pid, signal.SIGSTOP)
        await here.runtime.give_up("frozen")
        _, exit_ = await here.exit()
        assert (exit_.exit_code, exit_.signal) == (0, None)
        assert exit_.final_report is not None
        assert exit_.final_report.reason == "terminated"


async def test_bots_outlive_the_process_that_forked_them_and_the_next_are_forked_from_another(
    tmp_path: Path,
) -> None:
    async with machine(tmp_path, BOT) as here:
        left, called = await here.launch("left"), await here.launch("called")
        preloaded = parent_of(left.pid)
        os.kill(preloaded, signal.SIGKILL)
        await until(lambda: not exists(preloaded))

        exit_, _ = await here.call(called)
        assert (exit_.exit_code, exit_.signal) == (None, None), "nobody was told"
        assert exit_.final_report is not None
        assert exit_.final_report.reason == "crashed"
        await here.runtime.give_up("left")
        _, exit_ = await here.exit()
        assert exit_.final_report is not None
        assert exit_.final_report.reason == "terminated"

        following = await here.launch("following")
        assert is_forked(following)
        assert parent_of(following.pid) != preloaded


async def test_a_bot_is_forked_from_what_its_files_are_now(tmp_path: Path) -> None:
    async with machine(tmp_path, BOT) as here:
        former = await here.launch("former")
        here.bot_file.write_text(BOT.replace("imported", "imported anew"))
        following = await here.launch("following")

        assert is_forked(following)
        assert parent_of(following.pid) != parent_of(former.pid)
        assert (await here.log("following")).startswith("imported anew\n")
        before = parent_of(former.pid)
        assert exists(before), "it has a bot whose end it has to report"
        os.kill(former.pid, signal.SIGKILL)
        _, exit_ = await here.exit()
        assert exit_.signal == signal.SIGKILL
        await until(lambda: not exists(before))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (WITH_A_THREAD, "it has threads"),
        (CHANGES_WHAT_IT_READS, "it reads files that change"),
    ],
)
async def test_an_agent_that_can_not_be_forked_has_its_bots_spawned_and_the_reason_logged_once(
    tmp_path: Path, code: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "podline.runtimes.local")
    async with machine(tmp_path, code) as here:
        one, two = await asyncio.gather(here.launch("one"), here.launch("two"))

        assert not is_forked(one)
        assert not is_forked(two)
        [record] = [each for each in caplog.records if each.message == "bots not forked"]
        assert vars(record)["problem"].startswith(problem)
        exit_, _ = await here.call(one)
        assert exit_.exit_code == 1
