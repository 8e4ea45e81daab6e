"""Code that blocks the event loop is found from another thread, with what it belongs to."""

import asyncio
import time

from pipecat.processors.frame_processor import FrameProcessor

from podline.contract.reasons import Reason
from podline.runner.health.verdicts import ending_of_block
from podline.runner.loop_watch import Blocked, watched_loop

TICK_SECONDS = 0.01


class Impolite(FrameProcessor):
    def wait(self, found: list[Blocked]) -> None:
        """Block the loop until that is noticed."""
        for _ in range(1000):
            if found:
                return
            time.sleep(TICK_SECONDS)


async def test_the_code_that_blocks_the_loop_is_named() -> None:
    found: list[Blocked] = []

    async with watched_loop(found.append, TICK_SECONDS):
        impolite = Impolite()
        impolite.wait(found)

    [blocked] = found
    assert impolite in blocked.objects
    assert "test_loop_watch.py" in blocked.through
    ending = ending_of_block(blocked.objects)
    assert ending.reason is Reason.CRASHED
    assert ending.message.startswith("The processor Impolite#0 blocks the whole bot")


async def test_a_busy_loop_that_gives_way_is_left_alone() -> None:
    found: list[Blocked] = []

    async with watched_loop(found.append, TICK_SECONDS):
        for _ in range(300):
            time.sleep(TICK_SECONDS / 10)  # noqa: ASYNC251 - it gives way after each
            await asyncio.sleep(0)

    assert found == []
