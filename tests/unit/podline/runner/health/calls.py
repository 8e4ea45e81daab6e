"""Calls over a whole pipeline, whose room and model behave as real ones do, and ways to break its parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pipecat.adapters.llm.services.gemini_adapter import GeminiLLMAdapter
from pipecat.frames.frames import (
    CancelFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    LLMContextFrame,
    LLMRunFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import LLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from podline.runner.attendance import Attendance, CallLimits
from podline.runner.bot_file import BotFile
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.session import BotSession
from podline.runner.settings import read_settings

ENVIRONMENT = {
    "SESSION_ID": "call-1",
    "USER_ID": "ana",
    "DAILY_ROOM_URL": "https://shop.daily.co/room",
    "DAILY_TOKEN": "bots-token",
}

PARTS = (
    "RTVI",
    "RoomInput",
    "LLMUserAggregator",
    "Model",
    "OfTheAuthor",
    "RoomOutput",
    "LLMAssistantAggregator",
)
"""The processors of the pipeline, by what their classes' names contain."""

Result = TypeVar("Result")

_RATE = 16000
_TONE = (bytes([0, 32] * 30) + bytes([0, 224] * 30)) * 80
"""Two tenths of a second that anybody hears: 400 Hz."""


class RoomInput(BaseInputTransport):
    """The room's microphone."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_in_enabled=True))

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def hear(self, seconds: float) -> None:
        """Take this much audio from the caller, all at once."""
        for _ in range(round(seconds * 50)):
            await self.push_audio_frame(InputAudioRawFrame(bytes(640), _RATE, 1))


class RoomOutput(BaseOutputTransport):
    """The room's loudspeaker, which plays in real time."""

    def __init__(self) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_end_silence_secs=0))

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await asyncio.sleep(frame.num_frames / frame.sample_rate)
        return True


class Model(LLMService[Any]):
    """Answers each request with a short sound."""

    adapter_class = GeminiLLMAdapter

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame | InputTextRawFrame):
            await self.push_frame(TTSStartedFrame())
            await self.push_frame(TTSAudioRawFrame(_TONE, 24000, 1))
            await self.push_frame(TTSStoppedFrame())
        else:
            await self.push_frame(frame, direction)


class OfTheAuthor(FrameProcessor):
    """What the author of a bot might add."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Room(BaseTransport):
    """A room whose other side only listens."""

    def __init__(self) -> None:
        super().__init__()
        self._microphone, self._loudspeaker = RoomInput(), RoomOutput()

    def input(self) -> RoomInput:
        return self._microphone

    def output(self) -> RoomOutput:
        return self._loudspeaker


def processors(room: Room) -> list[FrameProcessor]:
    """Make the processors of a bot like the shopping assistant, and one more."""
    user, assistant = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=UserTurnStrategies(
                start=[VADUserTurnStartStrategy()],
                stop=[SpeechTimeoutUserTurnStopStrategy(wait_for_transcript=False)],
            )
        ),
    )
    return [room.input(), user, Model(), OfTheAuthor(), room.output(), assistant]


def find(root: FrameProcessor, part: str) -> FrameProcessor:
    """Find the processor whose class's name contains this."""
    return next(each for each in everything(root) if part in type(each).__name__)


def everything(root: FrameProcessor) -> list[FrameProcessor]:
    inner = [found for each in root.processors for found in everything(each)]
    return [*inner, *root.processors]


Process = Callable[[Frame, FrameDirection], Awaitable[None]]


def spoil(part: FrameProcessor, process: Process) -> None:
    """Let the processor do this with each frame, as a bug in its code would."""
    setattr(part, "process_frame", process)  # noqa: B010 - so does a bug that nobody declared


def keeps(*kinds: type[Frame]) -> Callable[[FrameProcessor], None]:
    """Have the processor drop these frames, and do everything else."""

    def keep(part: FrameProcessor) -> None:
        does = part.process_frame

        async def process(frame: Frame, direction: FrameDirection) -> None:
            if not isinstance(frame, kinds):
                await does(frame, direction)

        spoil(part, process)

    return keep


def blocks(part: FrameProcessor) -> None:
    """Have the processor wait for ever in whatever comes first."""

    async def process(_frame: Frame, _direction: FrameDirection) -> None:
        await asyncio.get_running_loop().create_future()

    spoil(part, process)


@dataclass
class Call:
    """A call that is going on."""

    worker: PipelineWorker
    attendance: Attendance
    running: asyncio.Task[None]
    bot: asyncio.Task[Any]

    def part(self, name: str) -> FrameProcessor:
        return find(self.worker.pipeline, name)

    async def settled(self) -> None:
        """Wait until what was pushed before has gone through the whole pipeline."""
        assert await self.worker.flush_pipeline()

    async def ended(self) -> CallEnding:
        """Wait until the call is over, and return how it ended."""
        done, _ = await asyncio.wait([self.running], timeout=20)
        assert done, "the call goes on"
        return self.attendance.ending.result()


@contextlib.asynccontextmanager
async def on_the_phone(
    grace_seconds: float = 30.0,
    mute_seconds: float = 0.0,
    arrange: Callable[[list[FrameProcessor]], list[FrameProcessor]] = list,
) -> AsyncIterator[Call]:
    """Hold a call whose caller has been greeted."""
    outbox = Outbox(lambda: 1.0)
    attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    settings = replace(read_settings(ENVIRONMENT), grace_seconds=grace_seconds, mute_seconds=mute_seconds)
    bots: list[asyncio.Task[Any] | None] = []

    async def bot(_runner_args: Any) -> None:
        bots.append(asyncio.current_task())
        worker = PipelineWorker(Pipeline(arrange(processors(Room()))))
        await worker.queue_frame(LLMRunFrame())
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    attendance.caller_joined()
    session = BotSession(settings, outbox, attendance)
    running = asyncio.create_task(session.run(BotFile(Path("bot.py"), bot)))
    while (pipeline := session._pipeline) is None:  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0.01)
    [task] = bots
    assert task is not None
    try:
        async with asyncio.timeout(10):
            await pipeline.voice.speaking.wait()
            await pipeline.voice.quiet.wait()
        yield Call(pipeline.worker, attendance, running, task)
    finally:
        attendance.stop()
        await asyncio.wait([running], timeout=20)
        await release(pipeline.worker)


async def release(worker: PipelineWorker) -> None:
    """Let a worker finish whose pipeline a failed test has left as it is: a loop would wait for it."""
    if not worker.has_finished():
        await worker.pipeline.processors[-1].queue_frame(CancelFrame())


async def side_by_side(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return the results of all of these in their order, once all are done, even if one fails."""
    tasks = [asyncio.ensure_future(work) for work in works]
    await asyncio.wait(tasks)
    return [task.result() for task in tasks]
