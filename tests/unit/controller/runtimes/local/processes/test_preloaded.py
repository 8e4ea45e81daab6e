"""A preloaded process runs code that isn't ours: whatever it says, only its own bots are touched."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.processes.forked import ForkedProcess
from controller.runtimes.local.processes.preloaded import ForkError, ForkOutdatedError, PreloadedProcess
from controller.runtimes.local.processes.spawned import Spawn, Spawner
from podline.contract.forking import ForkedStart
from testing.fakes.bots.preloaded import BEGINNING, HONEST, after_ready
from testing.fakes.controllers.process_table import exists, until

PATIENCE_SECONDS = 15.0
START = ForkedStart({"A_NAME": "a value"})


@dataclass
class Scene:
    """A process that may lie, as its controller knows it."""

    process: PreloadedProcess
    running: asyncio.Task[None]
    output: int
    written: int

    async def prepared(self) -> str | None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await asyncio.shield(self.process.prepared)

    async def fork(self) -> ForkedProcess:
        return await self.process.fork(self.written, START, lambda _group: None)

    async def is_over(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.shield(self.running)
        assert not exists(self.process.pid)


@asynccontextmanager
async def preloaded(
    directory: Path, code: str, fork_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Scene]:
    guardian = Guardian(directory, 1.0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading, writing = os.pipe()
    output, written = os.pipe()
    spawned = await Spawner(guardian.entrance, None).spawn(
        Spawn(
            command=(sys.executable, "-IS", "-c", code),
            directory=directory,
            variables={"PODLINE_FORKS": str(theirs.fileno())},
            output=writing,
            descriptors=(theirs.fileno(),),
        )
    )
    theirs.close()
    os.close(writing)
    process = PreloadedProcess(
        spawned, ours, reading, BoundedLog(directory), lambda: None, fork_seconds=fork_seconds
    )
    running = asyncio.create_task(process.run())
    try:
        yield Scene(process, running, output, written)
    finally:
        running.cancel()
        await asyncio.wait([running])
        await spawned.wait()
        await guardian.close()
        os.close(output)
        os.close(written)


async def test_a_bot_gets_what_it_begins_with_and_how_it_ends_is_reported(tmp_path: Path) -> None:
    async with preloaded(tmp_path, HONEST) as scene:
        assert await scene.prepared() is None
        assert scene.process.said() == b"imported\n"
        announced: list[int] = []
        bot = await scene.process.fork(scene.written, START, announced.append)
        assert announced == [bot.pid]
        assert b'"A_NAME": "a value"' in os.read(scene.output, 1000)
        assert (bot.is_gone, bot.status, scene.process.has_bots) == (False, None, True)

        os.kill(bot.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bot.wait()
        assert (bot.is_gone, bot.status) == (True, -signal.SIGKILL)
        await until(lambda: not scene.process.has_bots)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        (f'{BEGINNING}say(\'{{"problem": "it has\\\\nthreads"}}\')\ntime.sleep(600)', "it has threads"),
        (f"{BEGINNING}say('ready')\ntime.sleep(600)", "it ended while it was being prepared"),
        (f"{BEGINNING}say('x' * 5000)\ntime.sleep(600)", "it ended while it was being prepared"),
        (f"{BEGINNING}sys.exit(3)", "it ended while it was being prepared"),
    ],
)
async def test_a_process_that_is_not_prepared_is_not_forked(tmp_path: Path, code: str, problem: str) -> None:
    async with preloaded(tmp_path, code) as scene:
        assert await scene.prepared() == problem


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("log, stream = asked(); os.write(stream, b'up')", id="names itself"),
        pytest.param("bot(*asked(), own_session=False)", id="names a process of its own group"),
        pytest.param("log, stream = asked(); os.write(stream, b'down')", id="says something else"),
        pytest.param("log, stream = asked(); os.close(stream)", id="says nothing"),
        pytest.param("asked(); sys.exit()", id="ends"),
    ],
)
async def test_only_a_child_with_a_session_of_its_own_is_a_bot(tmp_path: Path, code: str) -> None:
    async with preloaded(tmp_path, after_ready(code)) as scene:
        await scene.prepared()
        announced: list[int] = []
        with pytest.raises(ForkError):
            await scene.process.fork(scene.written, START, announced.append)

        assert announced == []
        assert not scene.process.has_bots


async def test_a_grandchild_is_no_bot(tmp_path: Path) -> None:
    code = "log, stream = asked()\nif os.fork() == 0:\n    bot(log, stream)\n    time.sleep(600)"
    async with preloaded(tmp_path, after_ready(code)) as scene:
        await scene.prepared()
        with pytest.raises(ForkError):
            await scene.fork()


async def test_a_process_whose_files_have_changed_is_replaced(tmp_path: Path) -> None:
    code = "log, stream = asked(); os.write(stream, b'changed')"
    async with preloaded(tmp_path, after_ready(code)) as scene:
        await scene.prepared()
        with pytest.raises(ForkOutdatedError):
            await scene.fork()


async def test_a_bot_that_is_said_to_have_ended_is_gone_only_when_it_is(tmp_path: Path) -> None:
    code = 'pid = bot(*asked())\nsay(\'{"pid": %d, "status": 67}\' % pid)'
    async with preloaded(tmp_path, after_ready(code)) as scene:
        await scene.prepared()
        bot = await scene.fork()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await bot.wait()
        assert not bot.is_gone

        os.kill(bot.pid, signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bot.wait()
        assert bot.is_gone


@pytest.mark.parametrize(
    "packet",
    ["more", '{"pid": 1, "status": 0}', '{"pid": 77, "status": 0}'],
    ids=["is no message", "names init", "is one too many"],
)
async def test_a_process_that_says_what_can_not_be_is_ended_and_its_bot_goes_on(
    tmp_path: Path, packet: str
) -> None:
    code = f"pid = bot(*asked())\nsay('{{\"pid\": 99, \"status\": 0}}')\nsay('{packet}')"
    async with preloaded(tmp_path, after_ready(code)) as scene:
        await scene.prepared()
        bot = await scene.fork()
        await scene.is_over()

        assert exists(bot.pid)
        bot.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bot.wait()
        assert bot.status is None


async def test_a_bot_whose_end_is_never_reported_is_gone_all_the_same() -> None:
    sleeping = await asyncio.create_subprocess_exec("sleep", "600")
    bot = ForkedProcess(sleeping.pid, os.pidfd_open(sleeping.pid), status_seconds=0.01)
    bot.kill()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await bot.wait()
    assert (bot.is_gone, bot.status) == (True, None)
    await sleeping.wait()


async def test_a_process_that_is_closed_ends_and_forks_nothing_more(tmp_path: Path) -> None:
    async with preloaded(tmp_path, after_ready("signal.signal(signal.SIGTERM, signal.SIG_IGN)")) as scene:
        await scene.prepared()
        scene.process.close()
        await scene.is_over()
        with pytest.raises(ForkError):
            await scene.fork()


async def test_a_process_that_does_not_fork_in_time_is_ended(tmp_path: Path) -> None:
    async with preloaded(tmp_path, after_ready("kept = asked()"), fork_seconds=0.1) as scene:
        await scene.prepared()
        with pytest.raises(ForkError):
            await scene.fork()
        await scene.is_over()
