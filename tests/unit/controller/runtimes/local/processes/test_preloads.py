"""One process for all bots that have the same file and variables, for as long as it has bots."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from controller.core.agents import BUILT_IN
from controller.runtimes.local.bounded_log import BoundedLog
from controller.runtimes.local.guardian import Guardian
from controller.runtimes.local.processes.forked import ForkedProcess
from controller.runtimes.local.processes.preloads import Preload, Preloads
from controller.runtimes.local.processes.spawned import Spawner
from podline.contract.forking import ForkedStart
from testing.fakes.bots.preloaded import BEGINNING, HONEST, after_ready
from testing.fakes.controllers.process_table import children_of, exists, until
from testing.processes import parent_of

DIES = after_ready("asked(); sys.exit()")
REFUSES = f'{BEGINNING}say(\'{{"problem": "it has threads"}}\')\ntime.sleep(600)'


def preload(code: str) -> Preload:
    return Preload(agent=BUILT_IN, command=(sys.executable, "-IS", "-c", code), directory=None, variables={})


@dataclass
class Scene:
    """Preloaded processes, and what they fork."""

    preloads: Preloads
    output: int
    log: BoundedLog
    caplog: pytest.LogCaptureFixture
    bots: list[ForkedProcess] = field(default_factory=list)

    async def fork(self, what: Preload) -> ForkedProcess | None:
        bot = await self.preloads.fork(what, ForkedStart({}), self.log, self.output)
        if bot is not None:
            self.bots.append(bot)
        return bot

    async def forked(self, what: Preload) -> ForkedProcess:
        bot = await self.fork(what)
        assert bot is not None
        return bot

    def has_lost(self, processes: int) -> bool:
        return [each.message for each in self.caplog.records].count("preloaded process lost") == processes

    def problems(self) -> list[str]:
        return [vars(each)["problem"] for each in self.caplog.records if each.message == "bots not forked"]


@asynccontextmanager
async def scene(
    directory: Path,
    caplog: pytest.LogCaptureFixture,
    problem: str | None = None,
    idle_seconds: float = 60,
) -> AsyncIterator[Scene]:
    caplog.set_level(logging.INFO, "podline.runtimes.local")
    guardian = Guardian(directory, 1.0)
    output, written = os.pipe()
    (directory / "log").mkdir()
    running: list[asyncio.Task[None]] = []

    def own(work: Coroutine[Any, Any, None]) -> None:
        running.append(asyncio.create_task(work))

    preloads = Preloads(
        spawner=Spawner(guardian.entrance, None),
        guardian=guardian,
        directory=directory,
        own=own,
        problem=problem,
        idle_seconds=idle_seconds,
    )
    here = Scene(preloads, written, BoundedLog(directory / "log"), caplog)
    try:
        yield here
    finally:
        for bot in here.bots:
            bot.kill()
            await bot.wait()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        await until(lambda: not children_of(os.getpid()))
        here.log.close()
        await guardian.close()
        os.close(output)
        os.close(written)


async def test_bots_with_all_in_common_are_forked_from_one_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        bots = await asyncio.gather(*(here.forked(preload(HONEST)) for _ in range(4)))

        assert len({bot.pid for bot in bots}) == 4
        assert len({parent_of(bot.pid) for bot in bots}) == 1
        assert here.log.text() == b"imported\n" * 4


async def test_a_process_that_no_bot_may_be_forked_from_ends_when_its_bots_have(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        former = await here.forked(preload(HONEST))
        of_former = parent_of(former.pid)
        others = replace(preload(HONEST), variables={"A_KEY": "another"})
        following = await here.forked(others)
        assert parent_of(following.pid) != of_former
        assert exists(of_former)

        former.kill()
        await former.wait()
        assert former.status == -signal.SIGKILL
        await until(lambda: not exists(of_former))
        assert parent_of((await here.forked(others)).pid) == parent_of(following.pid)


async def test_a_process_without_bots_ends_after_a_while_and_the_next_bot_has_another(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog, idle_seconds=0.05) as here:
        bot = await here.forked(preload(HONEST))
        parent = parent_of(bot.pid)
        bot.kill()
        await until(lambda: not exists(parent))

        assert parent_of((await here.forked(preload(HONEST))).pid) != parent
        assert here.problems() == []


async def test_a_process_that_can_not_be_forked_is_not_tried_again_at_once_but_with_other_variables_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        assert await asyncio.gather(*(here.fork(preload(REFUSES)) for _ in range(3))) == [None] * 3
        await until(lambda: not children_of(os.getpid()))
        assert await here.fork(preload(REFUSES)) is None
        assert children_of(os.getpid()) == []
        assert here.problems() == ["it has threads"]

        await here.forked(preload(HONEST))


async def test_a_process_that_dies_again_and_again_is_given_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        for times in range(1, 4):
            assert await here.fork(preload(DIES)) is None
            await until(partial(here.has_lost, times))
        assert await here.fork(preload(DIES)) is None
        assert here.problems() == ["it ended 3 times"]
        assert children_of(os.getpid()) == []


async def test_a_program_that_is_not_there_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        assert await here.fork(replace(preload(HONEST), command=("/nowhere/at/all",))) is None
        assert here.problems() == ["it can't be started: No such file or directory"]


async def test_where_nothing_can_be_forked_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog, problem="only Linux shows whether that is safe") as here:
        assert await here.fork(preload(HONEST)) is None
        assert await here.fork(preload(HONEST)) is None
        assert here.problems() == ["only Linux shows whether that is safe"]
        assert children_of(os.getpid()) == []
