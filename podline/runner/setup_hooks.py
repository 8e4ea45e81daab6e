"""Pipecat's setup file of this runner: PIPECAT_SETUP_FILES names it (pipecat/utils/startup.py).

Pipecat loads it under a name of its own, so it has no state: the session finds its way here by a context.
"""

from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from podline.runner.attaching import attaching


async def setup_worker_runner(runner: WorkerRunner) -> None:
    """Attach the session to what runs the bot's workers."""
    if (session := attaching()) is not None:
        session.attach_runner(runner)


async def setup_pipeline_worker(worker: PipelineWorker) -> None:
    """Attach the session to a worker, before its pipeline is set up."""
    if (session := attaching()) is not None:
        await session.attach_worker(worker)
