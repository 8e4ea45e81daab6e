"""The event loop that pauses while a bot's file is imported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from podline.runner.pausing_loop import LoopStopped, PausingLoop


@pytest.fixture
def loop() -> Iterator[PausingLoop]:
    loop = asyncio.new_event_loop()
    yield PausingLoop(loop)
    loop.close()
    asyncio.set_event_loop(None)


async def prompts() -> str:
    await asyncio.sleep(0)
    return "Say hello."


def test_a_file_may_run_a_loop_of_its_own_on_import(loop: PausingLoop) -> None:
    read = []

    async def call() -> None:
        read.append(await loop.paused(lambda: asyncio.run(prompts())))
        read.append(await prompts())

    loop.run(call())

    assert read == ["Say hello."] * 2


def test_what_the_file_raises_is_raised_in_the_call(loop: PausingLoop) -> None:
    async def call() -> None:
        with pytest.raises(ZeroDivisionError):
            await loop.paused(lambda: 1 / 0)

    loop.run(call())


def test_a_loop_that_its_code_stops_is_no_pause(loop: PausingLoop) -> None:
    async def call() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)

    with pytest.raises(LoopStopped):
        loop.run(call())
