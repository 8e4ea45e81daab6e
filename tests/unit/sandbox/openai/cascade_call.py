"""A call of the cascaded example over a whole pipeline: its own `run_bot`, in a room that is made here."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from openai import AsyncOpenAI
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    MetricsFrame,
    OutputAudioRawFrame,
    StartFrame,
    TTSTextFrame,
)
from pipecat.metrics.metrics import MetricsData
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.types import RunnerArguments
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport, TransportParams

from sandbox.voice import Voice, loudness
from testing.processes import ROOT

BOT = ROOT / "examples" / "agents" / "cascade" / "bot.py"
PATIENCE_SECONDS = 30

_RATE = 16_000
_FRAME_SECONDS = 0.02
_FASTER = 4
"""How much faster than in real time the caller speaks and listens."""

_AUDIBLE = 100.0

Kind = TypeVar("Kind", bound=Frame)
Note = Callable[[Frame], None]


def load_bot() -> ModuleType:
    """Import the example, as Pipecat's own runner does."""
    spec = importlib.util.spec_from_file_location("cascade_bot", BOT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Microphone(BaseInputTransport):
    def __init__(self, note: Note) -> None:
        super().__init__(TransportParams(audio_in_enabled=True))
        self._note = note

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            self._note(frame)


class _Loudspeaker(BaseOutputTransport):
    def __init__(self, note: Note) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_end_silence_secs=0))
        self._note = note

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        # What was queued comes here once it was played.
        if direction == FrameDirection.DOWNSTREAM:
            self._note(frame)
        await super().push_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        await asyncio.sleep(frame.num_frames / frame.sample_rate / _FASTER)
        return True


class CascadeRoom(BaseTransport):
    """The caller's side of the call.

    Attributes:
        frames: What has left the loudspeaker, and the errors of all services.
    """

    def __init__(self, voice: Voice) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._voice = voice
        self._changed = asyncio.Event()
        self._microphone, self._loudspeaker = _Microphone(self._note), _Loudspeaker(self._note)
        self._said_at = 0
        for event in ("on_client_connected", "on_client_disconnected"):
            self._register_event_handler(event)

    def input(self) -> _Microphone:
        return self._microphone

    def output(self) -> _Loudspeaker:
        return self._loudspeaker

    async def say(self, words: str) -> None:
        """Speak, in a quiet room."""
        speech = await asyncio.to_thread(self._voice.say, words, _RATE)
        quiet = np.zeros(_RATE // 2, np.int16)
        self._said_at = len(self.frames)
        samples = np.concatenate([quiet, speech, quiet])
        for start in range(0, samples.size, _RATE // 50):
            piece = samples[start : start + _RATE // 50].tobytes()
            await self._microphone.push_audio_frame(InputAudioRawFrame(piece, _RATE, 1))
            await asyncio.sleep(_FRAME_SECONDS / _FASTER)

    async def join(self) -> None:
        """Connect, as far as the bot is told."""
        await self._call_event_handler("on_client_connected", "the caller")

    async def hears(self, words: str) -> None:
        """Wait until the bot has said this since the caller last spoke."""
        await self.sees(lambda: words in self.said())

    async def hears_sound(self) -> None:
        """Wait for the bot's voice since the caller last spoke."""
        await self.sees(lambda: any(map(_is_audible, self.since(OutputAudioRawFrame))))

    async def sees(self, happened: Callable[[], bool]) -> None:
        """Wait until something has happened."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not happened():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"never happened; since then: {self.said()!r}, {self.errors()}") from None

    def since(self, kind: type[Kind]) -> list[Kind]:
        """Return the frames of a kind since the caller last spoke."""
        return [frame for frame in self.frames[self._said_at :] if isinstance(frame, kind)]

    def said(self) -> str:
        """Return the bot's words since the caller last spoke."""
        return " ".join(frame.text for frame in self.since(TTSTextFrame))

    def errors(self) -> list[str]:
        """Return what went wrong since the caller last spoke."""
        return [frame.error for frame in self.since(ErrorFrame)]

    def interruptions(self) -> int:
        """Return how often the bot was cut short since the caller last spoke."""
        return len(self.since(InterruptionFrame))

    def results(self) -> list[FunctionCallResultFrame]:
        """Return what tools have returned since the caller last spoke."""
        return self.since(FunctionCallResultFrame)

    def metrics(self) -> Iterator[MetricsData]:
        """Yield all metrics of the call."""
        for frame in self.frames:
            if isinstance(frame, MetricsFrame):
                yield from frame.data

    def _note(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._changed.set()


@asynccontextmanager
async def calling_cascade(voice: Voice) -> AsyncIterator[tuple[CascadeRoom, asyncio.Task[None]]]:
    """Hold a call of the example; yield the room and the bot's task."""
    room = CascadeRoom(voice)
    bot: Any = load_bot()
    task: asyncio.Task[None] = asyncio.create_task(bot.run_bot(room, RunnerArguments()))
    try:
        await room.sees(lambda: any(isinstance(frame, StartFrame) for frame in room.frames))
        await room.join()
        yield room, task
    finally:
        clients = list(_clients_behind(room.input()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for client in clients:
            await client.close()


def _clients_behind(processor: FrameProcessor | None) -> Iterator[AsyncOpenAI]:
    """Yield the clients of all services behind a processor, which nobody else closes."""
    while processor is not None:
        if isinstance(client := getattr(processor, "_client", None), AsyncOpenAI):
            yield client
        processor = processor.next


def _is_audible(frame: OutputAudioRawFrame) -> bool:
    return loudness(np.frombuffer(frame.audio, "<i2")) > _AUDIBLE
