"""A bot of two workers on Pipecat's bus: what crosses it is seen in both and counted once."""

from __future__ import annotations

import asyncio

from pipecat.bus.bridge_processor import BusBridgeProcessor
from pipecat.frames.frames import Frame, MetricsFrame, TextFrame
from pipecat.metrics.metrics import TTSUsageMetricsData
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from podline.contract.messages import Event, Synthesized
from podline.runner.observers.measurements import SessionObservers

PATIENCE_SECONDS = 60


class AcmeTTSService(FrameProcessor):
    """Reports the characters of each text."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame):
            used = TTSUsageMetricsData(processor=self.name, model="voice", value=len(frame.text))
            await self.push_frame(MetricsFrame(data=[used]))
        await self.push_frame(frame, direction)


class Sightings(BaseObserver):
    """Notes that a measurement was seen in its worker."""

    def __init__(self) -> None:
        super().__init__(observe_every_push=False)
        self.seen = asyncio.Event()

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, MetricsFrame):
            self.seen.set()


async def test_what_a_service_of_one_worker_measures_is_counted_once_though_both_workers_see_it() -> None:
    events: list[Event] = []
    session = SessionObservers(events.append, lambda: True)
    runner = WorkerRunner(handle_sigint=False)
    here, there = Sightings(), Sightings()
    main = PipelineWorker(
        Pipeline([BusBridgeProcessor(bus=runner.bus, worker_name="main")]),
        name="main",
        observers=[*session.of_services(), here],
        enable_rtvi=False,
    )
    helper = PipelineWorker(
        Pipeline([AcmeTTSService()]),
        name="helper",
        bridged=(),
        observers=[*session.of_services(), there],
    )
    await runner.add_workers(main, helper)
    started = asyncio.Event()

    @helper.event_handler("on_pipeline_started")
    async def on_pipeline_started(_worker: PipelineWorker, _frame: Frame) -> None:
        started.set()

    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner.run())
        await started.wait()
        await main.queue_frame(TextFrame("hello"))
        await there.seen.wait()
        await here.seen.wait()
        await runner.cancel()
        await running

    assert events == [Synthesized("voice", 5, "AcmeTTSService")]
