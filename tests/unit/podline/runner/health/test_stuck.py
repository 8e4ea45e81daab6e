"""A processor that does nothing any more, without an error: it is found by what it leaves undone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import pytest
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    InputAudioRawFrame,
    OutputTransportMessageFrame,
    SystemFrame,
    UserMuteStartedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi import RTVIProcessor
from pipecat.workers.runner import WorkerRunner

from podline.contract.reasons import Reason
from podline.runner.attachment import set_up
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.health.watch import PipelineHealth
from tests.unit.podline.runner.health.calls import (
    PARTS,
    Room,
    RoomInput,
    blocks,
    find,
    keeps,
    processors,
    release,
    side_by_side,
    spoil,
)

FASTER = 10.0
"""How much faster the watch's clock runs."""


class Watched:
    """A pipeline that is watched by a clock that runs fast."""

    def __init__(self) -> None:
        outbox = Outbox(lambda: 1.0)
        self.attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
        self.worker = PipelineWorker(Pipeline(processors(Room())), rtvi_processor=RTVIProcessor())
        set_up(self.worker)
        self.health = PipelineHealth(self.worker, self.attendance, 8, lambda: FASTER * time.monotonic())

    def part(self, name: str) -> FrameProcessor:
        return find(self.worker.pipeline, name)

    async def hear(self, seconds: int) -> None:
        """Let the caller speak, in what is real time by the fast clock: more would not be admitted."""
        room = self.part("RoomInput")
        assert isinstance(room, RoomInput)
        for _ in range(seconds):
            await room.hear(1)
            await asyncio.sleep(1 / FASTER)

    async def ended(self) -> CallEnding:
        async with asyncio.timeout(20):
            return await asyncio.shield(self.attendance.ending)


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    call = Watched()
    started = asyncio.Event()
    call.worker.add_event_handler("on_pipeline_started", lambda *_: started.set())
    runner = WorkerRunner(handle_sigint=False, task_manager=call.health.tasks)
    await runner.add_workers(call.worker)
    running = asyncio.create_task(runner.run())
    watching = asyncio.create_task(call.health.run())
    try:
        async with asyncio.timeout(20):
            await started.wait()
            assert await call.worker.flush_pipeline()
        yield call
    finally:
        watching.cancel()
        await call.worker.pipeline.queue_frame(CancelFrame())
        await call.worker.cancel()
        while (withholder := call.health.who_withholds(CancelFrame)) is not None:
            await call.health.cancel_past(withholder)
            await asyncio.sleep(0.1)
        await asyncio.wait([running, watching], timeout=20)
        await release(call.worker)


def blocks_behind_its_queue(part: FrameProcessor) -> None:
    """Let urgent frames pass, such as the caller's audio; have everything else wait."""
    does = part.process_frame

    async def process(frame: Frame, direction: FrameDirection) -> None:
        if not isinstance(frame, SystemFrame):
            await asyncio.get_running_loop().create_future()
        await does(frame, direction)

    spoil(part, process)


WAYS = {"blocks": blocks, "blocks behind its queue": blocks_behind_its_queue}


async def stuck(name: str, way: Callable[[FrameProcessor], None]) -> CallEnding:
    async with watched() as call:
        way(call.part(name))
        return await call.ended()


@pytest.mark.parametrize("way", WAYS)
async def test_a_processor_that_waits_for_ever_ends_the_call_by_name(way: str) -> None:
    endings = await side_by_side(stuck(name, WAYS[way]) for name in PARTS)

    for name, ending in zip(PARTS, endings, strict=True):
        assert name in ending.message
        assert "has been stuck for 16 seconds" in ending.message


async def test_an_output_that_never_gets_to_the_next_frame_is_stuck() -> None:
    async def waits(_frame: Frame) -> None:
        await asyncio.get_running_loop().create_future()

    async with watched() as call:
        setattr(call.part("RoomOutput"), "send_message", waits)  # noqa: B010 - so does a bug that nobody declared
        await call.worker.queue_frame(OutputTransportMessageFrame(message={}))
        ending = await call.ended()

    assert "RoomOutput" in ending.message
    assert ending.reason is Reason.ROOM_LOST


async def deaf(name: str) -> CallEnding:
    async with watched() as call:
        await call.hear(1)
        assert await call.worker.flush_pipeline()
        keeps(InputAudioRawFrame)(call.part(name))
        await call.hear(16)
        return await call.ended()


async def test_a_processor_that_stops_passing_the_callers_audio_on_ends_the_call_by_name() -> None:
    names = ("LLMUserAggregator", "Model")
    endings = await side_by_side(map(deaf, names))

    for name, ending in zip(names, endings, strict=True):
        assert name in ending.message
        assert "stopped passing on what the caller says" in ending.message


async def test_a_processor_that_mutes_the_caller_may_keep_the_audio() -> None:
    async with watched() as call:
        await call.hear(1)
        assert await call.worker.flush_pipeline()
        await call.part("Model").push_frame(UserMuteStartedFrame())
        keeps(InputAudioRawFrame)(call.part("Model"))
        await call.hear(16)
        await asyncio.sleep(1.1)

        assert not call.attendance.ending.done()


async def test_a_room_that_stops_listening_is_lost() -> None:
    """Pipecat's WebRTC input returns from its loop at an error that it can't handle."""

    async def listens() -> None: ...

    async with watched() as call:
        call.part("RoomInput").create_task(listens(), "_receive_audio")
        ending = await call.ended()

    assert ending.reason is Reason.ROOM_LOST
    assert "RoomInput#" in ending.message
    assert "stopped listening" in ending.message


async def test_a_healthy_call_goes_on() -> None:
    async with watched() as call:
        await call.hear(20)

        assert not call.attendance.ending.done()
