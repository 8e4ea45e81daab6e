"""An ordinary Pipecat bot that needs no account, for the runner: its model only reports what answers cost.

Its room is Daily's, with a stand-in for Daily's native client; one caller is there. It logs what it uses
before the runner can count it. Standard input says how the call ends: `leave` or `complete`.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any, Final

from pipecat.frames.frames import CancelFrame, EndFrame, Frame, MetricsFrame, StartFrame
from pipecat.metrics.metrics import LLMTokenUsage, LLMUsageMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import BaseTransport
from pipecat.transports.daily import transport as pipecat_daily
from pipecat.workers.runner import WorkerRunner

from scripts.benchmarks.faults.lines import LineLog
from scripts.benchmarks.faults.real_bot import USED_FILE
from testing.fakes.bots.daily_native import NativeRoom, stand_ins

CALLER: Final = "caller"


class CostlyModel(FrameProcessor):
    """Answers every few seconds, without words."""

    def __init__(self, log: LineLog) -> None:
        super().__init__()
        self._log = log
        self._prompt = self._completion = 0
        self._answers: asyncio.Task[None] | None = None
        self._answering = asyncio.Lock()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, EndFrame | CancelFrame) and self._answers is not None:
            # Not between the log and the pipeline.
            async with self._answering:
                await self.cancel_task(self._answers)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._answers = self.create_task(self._answer())

    async def _answer(self) -> None:
        while True:
            await asyncio.sleep(random.uniform(1, 4))  # noqa: S311 - not a secret
            async with self._answering:
                prompt, completion = random.randint(50, 900), random.randint(5, 90)  # noqa: S311 - likewise
                self._prompt += prompt
                self._completion += completion
                self._log.write("used", usage=[0, self._prompt, self._completion])
                tokens = LLMTokenUsage(
                    prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion
                )
                used = LLMUsageMetricsData(processor=self.name, model="real", value=tokens)
                await self.push_frame(MetricsFrame(data=[used]))


async def bot(runner_args: RunnerArguments) -> None:
    """Hold one call."""
    room = NativeRoom()
    room.present.append(CALLER)
    for name, stand_in in stand_ins(room).items():
        setattr(pipecat_daily, name, stand_in)
    transport = await create_transport(
        runner_args,
        {"daily": lambda: pipecat_daily.DailyParams(audio_in_enabled=True, audio_out_enabled=True)},
    )
    model = CostlyModel(LineLog(Path(os.environ[USED_FILE])))
    worker = PipelineWorker(
        Pipeline([transport.input(), model, transport.output()]),
        params=PipelineParams(enable_metrics=True, enable_usage_metrics=True),
    )

    caller_is_there = asyncio.Event()

    async def begin(_transport: BaseTransport, _client: Any) -> None:
        caller_is_there.set()

    async def end(_transport: BaseTransport, _client: Any) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", begin)
    transport.add_event_handler("on_client_disconnected", end)
    runner = WorkerRunner(handle_sigint=runner_args.handle_sigint)
    await runner.add_workers(worker)
    ending = asyncio.create_task(_end_as_told(room, worker, caller_is_there))
    await runner.run()
    ending.cancel()


async def _end_as_told(room: NativeRoom, worker: PipelineWorker, caller_is_there: asyncio.Event) -> None:
    await caller_is_there.wait()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    # An end of the input means that the suite is gone.
    if await reader.readline() == b"complete\n":
        await worker.queue_frame(EndFrame())
    else:
        room.leave(CALLER)
