"""The fault suite's real bots: a process of the runner, which ends as its pod does."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks.faults.lines import LineLog, read_lines
from scripts.benchmarks.faults.real_bot import RealBot, real_processes
from scripts.benchmarks.faults.scripted_bot import Identity

PATIENCE_SECONDS = 30.0


class Played:
    """A bot, and what it left on its pod."""

    def __init__(self, directory: Path) -> None:
        self.lines = directory / "bots.jsonl"
        self.directory = directory / "real"
        self.left: list[tuple[dict[str, Any] | None, int]] = []
        self.bot = RealBot(
            identity=Identity("launch", "s", "pod", "node", "", ""),
            environment={"SESSION_ID": "s", "USER_ID": "u", "PODLINE_GRACE_SECONDS": "5"},
            directory=self.directory / "launch",
            log=LineLog(self.lines),
            leave=self._leave,
            life_seconds=1000,
            grace_seconds=5,
            rng=random.Random(1),  # noqa: S311 - repeatable
        )

    async def _leave(self, report: dict[str, Any] | None, code: int) -> bool:
        self.left.append((report, code))
        return True

    async def until_used(self) -> None:
        """Wait for the bot's first answer."""
        used = self.bot.directory / "used.jsonl"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (used.exists() and used.read_text()):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    def last_line(self) -> dict[str, Any]:
        return list(read_lines(self.lines))[-1]


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[tuple[Played, asyncio.Task[None]]]:
    """A real bot in a call, which is killed if it is still there."""
    played = Played(directory)
    task = asyncio.create_task(played.bot.run())
    try:
        await played.until_used()
        yield played, task
    finally:
        task.cancel()
        await asyncio.wait([task])
        played.bot.log.close()


@pytest.mark.parametrize("how", ["of itself", "deleted"])
async def test_a_real_bot_that_ends_leaves_what_it_used(how: str, tmp_path: Path) -> None:
    async with running(tmp_path) as (played, task):
        assert [each.partition(" ")[0] for each in real_processes(played.directory)] == ["s"]
        if how == "deleted":
            played.bot.ask_to_leave("terminated")
        else:
            played.bot.shorten(0)
        await asyncio.wait_for(task, PATIENCE_SECONDS)

    [(report, code)] = played.left
    assert report is not None
    line = played.last_line()
    assert (line["kind"], line["reason"], code) == ("ended", report["reason"], 0)
    assert report["reason"] in (["terminated"] if how == "deleted" else ["caller_left", "completed"])
    [model] = report["totals"]["models"].values()
    assert line["usage"] == [0, model["prompt_tokens"], model["completion_tokens"]]
    assert not list(real_processes(played.directory))


async def test_a_real_bot_that_is_killed_says_nothing_more(tmp_path: Path) -> None:
    async with running(tmp_path) as (played, task):
        task.cancel()
        played.bot.note_end("killed", how="exit-137")
        await asyncio.wait([task])

    assert played.left == []
    line = played.last_line()
    assert (line["kind"], line["how"]) == ("killed", "exit-137")
    assert line["usage"] != [0, 0, 0]
    assert not list(real_processes(played.directory))
