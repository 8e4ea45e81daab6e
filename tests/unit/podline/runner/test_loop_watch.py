"""Code that blocks the event loop is found from another thread, with what it belongs to."""

import asyncio
import os
import subprocess
import sys
import time

from pipecat.processors.frame_processor import FrameProcessor

from podline.contract.reasons import Reason
from podline.runner.health.verdicts import ending_of_block
from podline.runner.loop_watch import BLOCKED_TICKS, Blocked, processor_waits, watched_loop

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


async def test_a_loop_that_gets_no_processor_is_not_blocked_by_its_code() -> None:
    found: list[Blocked] = []
    began = time.monotonic()

    async with watched_loop(found.append, TICK_SECONDS, lambda: time.monotonic() - began):
        time.sleep(3 * BLOCKED_TICKS * TICK_SECONDS)  # noqa: ASYNC251 - that is what it is about

    assert found == []


def test_the_kernel_counts_how_long_a_thread_waits_for_a_processor() -> None:
    allowed = os.sched_getaffinity(0)
    shared = {min(allowed)}
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
        os.sched_setaffinity(rival.pid, shared)
        os.sched_setaffinity(0, shared)
        try:
            waited = processor_waits()
            before, until = waited(), time.thread_time() + 0.2
            while time.thread_time() < until:
                pass
            assert waited() > before + 0.02
        finally:
            os.sched_setaffinity(0, allowed)
            rival.kill()
