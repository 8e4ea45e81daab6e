"""Observers are queued what they look at, and are not woken for the rest."""

import asyncio

from pipecat.frames.frames import BotStartedSpeakingFrame, Frame
from pipecat.observers.base_observer import BaseObserver, FrameProcessed, FramePushed
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameDirection
from pipecat.utils.asyncio.task_manager import TaskManager

from podline.runner.attachment import spare_observers

PATIENCE_SECONDS = 20


class Pushes(BaseObserver):
    """Looks at frames that are pushed."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[Frame] = []
        self.processed: list[Frame] = []

    async def on_push_frame(self, data: FramePushed) -> None:
        self.pushed.append(data.frame)


class Both(Pushes):
    """Looks at frames that are processed, too."""

    async def on_process_frame(self, data: FrameProcessed) -> None:
        self.processed.append(data.frame)


async def test_only_an_observer_that_looks_at_processed_frames_is_queued_them() -> None:
    pushes, both = Pushes(), Both()
    worker = PipelineWorker(
        Pipeline([IdentityFilter()]), observers=[pushes, both], enable_turn_tracking=False
    )
    spare_observers(worker)
    observer = worker._observer
    await observer.setup(TaskManager())
    here, there = IdentityFilter(), IdentityFilter()
    frame, downstream = BotStartedSpeakingFrame(), FrameDirection.DOWNSTREAM

    await observer.on_process_frame(
        FrameProcessed(processor=here, frame=frame, direction=downstream, timestamp=0)
    )
    proxies = observer._proxies
    assert proxies is not None
    assert [proxies[each].queue.qsize() for each in (pushes, both)] == [0, 1]

    await observer.on_push_frame(
        FramePushed(source=here, destination=there, frame=frame, direction=downstream, timestamp=0)
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        for each in (pushes, both):
            await proxies[each].queue.join()

    assert (pushes.pushed, pushes.processed) == ([frame], [])
    assert (both.pushed, both.processed) == ([frame], [frame])
    await observer.cleanup()
