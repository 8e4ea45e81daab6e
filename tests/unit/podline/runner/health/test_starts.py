"""A pipeline that can't start because of one of its processors: the call ends and names it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pipecat.frames.frames import StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.workers.runner import WorkerRunner

from podline.contract.reasons import Reason
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.health.watch import PipelineHealth
from tests.unit.podline.runner.health.calls import PARTS, Room, find, keeps, processors, side_by_side


def is_never_set_up(part: FrameProcessor) -> None:
    async def setup(_setup: Any) -> None:
        await asyncio.get_running_loop().create_future()

    setattr(part, "setup", setup)  # noqa: B010 - so does a bug that nobody declared


def fails_to_be_set_up(part: FrameProcessor) -> None:
    async def setup(_setup: Any) -> None:
        raise OSError("no such device")

    setattr(part, "setup", setup)  # noqa: B010 - so does a bug that nobody declared


WAYS = {
    "keeps the start": (keeps(StartFrame), "did not let the call begin"),
    "is never set up": (is_never_set_up, "could not be set up in time"),
    "fails to be set up": (fails_to_be_set_up, "reported that it can no longer work"),
}


async def ending_of_start(name: str, way: Callable[[FrameProcessor], None]) -> CallEnding:
    outbox = Outbox(lambda: 1.0)
    attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    worker = PipelineWorker(
        Pipeline(processors(Room())),
        rtvi_processor=RTVIProcessor(),
        setup_timeout_secs=1.0,
        start_timeout_secs=1.0,
    )
    health = PipelineHealth(worker, attendance, 8)
    way(find(worker.pipeline, name))
    runner = WorkerRunner(handle_sigint=False, task_manager=health.tasks)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    async with asyncio.timeout(20):
        ending = await attendance.ending
        await worker.cancel()
        await running
    return ending


@pytest.mark.parametrize("way", WAYS)
async def test_a_processor_that_does_not_start_ends_the_call_by_name(way: str) -> None:
    spoil, what = WAYS[way]

    endings = await side_by_side(ending_of_start(name, spoil) for name in PARTS)

    for name, ending in zip(PARTS, endings, strict=True):
        assert name in ending.message
        assert what in ending.message
        assert ending.reason in (Reason.CRASHED, Reason.ROOM_LOST, Reason.MODEL_LOST)
