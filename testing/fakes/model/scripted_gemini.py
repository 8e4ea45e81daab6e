"""A model that says what a test lets it say, and remembers what each of its sessions was sent."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import numpy as np
from google.genai import types
from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InputTextRawFrame,
    LLMContextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from podline.contract.model import GEMINI_MODEL
from podline.frames import ModelEvent, ModelEventFrame
from podline.gemini import GeminiLiveLLMService, GeminiModalities, GeminiVADParams

GREETING = "Say hello."
SOUND: Final = (8000 * np.sin(np.arange(24_000) * 2 * math.pi * 300 / 24_000)).astype("<i2").tobytes()
"""A second of the model's audio that everybody hears."""
WORDS: Final = bytes(range(256)) * 10
"""What the caller says."""
_EVENT_SECONDS = 10.0
"""Only a hang takes this long."""


class ScriptedSession:
    """One session, as the SDK hands it out.

    Attributes:
        handle: The resumption handle that the client presented.
        sent: What the client sent, in order: `(kind, value)`.
        results: What the client's tools returned, by the id of the call.
    """

    def __init__(self, config: types.LiveConnectConfig) -> None:
        resumption = config.session_resumption
        self.config = config
        self.handle = resumption.handle if isinstance(resumption, types.SessionResumptionConfig) else None
        self.sent: list[tuple[str, Any]] = []
        self.results: dict[str, Any] = {}
        self.can_send = True
        self._messages: asyncio.Queue[types.LiveServerMessage | Exception] = asyncio.Queue()
        self._was_sent = asyncio.Event()

    # What the test does.

    def says(self, **fields: Any) -> None:
        """Send a message of `LiveServerMessage`'s fields; those of its content may stand beside them."""
        of_content = types.LiveServerContent.model_fields
        content = {key: fields.pop(key) for key in list(fields) if key in of_content}
        if content:
            fields["server_content"] = content
        self._messages.put_nowait(types.LiveServerMessage.model_validate(fields))

    def speaks(self, audio: bytes) -> None:
        blob = types.Blob(data=audio, mime_type="audio/pcm;rate=24000")
        self.says(model_turn={"role": "model", "parts": [types.Part(inline_data=blob)]})

    def thinks(self) -> None:
        self.says(model_turn={"role": "model", "parts": [types.Part(text="hm", thought=True)]})

    def completes(self, **fields: Any) -> None:
        self.says(turn_complete=True, **fields)

    def answers(self, handle: str | None = None) -> None:
        """Give an answer that is heard, and a handle if one is named."""
        self.speaks(SOUND)
        self.says(generation_complete=True)
        self.completes()
        if handle is not None:
            self.hands_out(handle)

    def calls(self, call_id: str | None, name: str) -> None:
        self.says(tool_call={"function_calls": [{"id": call_id, "name": name, "args": {}}]})

    def hands_out(self, handle: str) -> None:
        self.says(session_resumption_update={"new_handle": handle, "resumable": True})

    def breaks(self, error: Exception | None = None) -> None:
        self._messages.put_nowait(error or ConnectionResetError("reset"))

    async def got(self, kind: str, count: int = 1) -> list[Any]:
        """Return what was sent of this kind, once there is this much."""
        async with asyncio.timeout(_EVENT_SECONDS):
            while len(values := [value for name, value in self.sent if name == kind]) < count:
                self._was_sent.clear()
                await self._was_sent.wait()
        return values

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.sent]

    # What the SDK does.

    async def receive(self) -> AsyncIterator[types.LiveServerMessage]:
        while True:
            message = await self._messages.get()
            if isinstance(message, Exception):
                raise message
            yield message

    async def send_client_content(self, *, turns: Any = None, turn_complete: bool = True) -> None:
        contents = [types.Content.model_validate(turn) for turn in turns or []]
        texts = [part.text for content in contents for part in content.parts or []]
        self._note("answer_this" if turn_complete else "history", texts)

    async def send_realtime_input(self, **given: Any) -> None:
        # A socket whose buffer is full lets others go first.
        await asyncio.sleep(0)
        [(kind, value)] = given.items()
        if kind != "text" or value.strip():
            self._note(kind, value)

    async def send_tool_response(self, *, function_responses: types.FunctionResponse) -> None:
        self.results[function_responses.id or ""] = function_responses.response
        self._note("tool_response", function_responses.id)

    async def close(self) -> None:
        return

    def _note(self, kind: str, value: Any) -> None:
        if not self.can_send:
            raise ConnectionResetError("can't be written to")
        self.sent.append((kind, value))
        self._was_sent.set()


class ScriptedService:
    """Mixed into a Gemini Live service, before it: its SDK connects to this model.

    Attributes:
        may_open: While it is clear, no session is set up.
        is_asked_to_open: Set when a session is asked for meanwhile.
        refuses: Called with each session's handle; returns the error to refuse it with, or None.
    """

    def __init__(self, **options: Any) -> None:
        self.refuses: Callable[[str | None], Exception | None] = lambda _handle: None
        self.sessions: list[ScriptedSession] = []
        self.may_open = asyncio.Event()
        self.may_open.set()
        self.is_asked_to_open = asyncio.Event()
        self._opened = asyncio.Event()
        super().__init__(**options)

    def create_client(self) -> None:
        self._client: Any = self
        self.aio = self
        self.live = self

    @contextlib.asynccontextmanager
    async def connect(self, *, model: str, config: types.LiveConnectConfig) -> AsyncIterator[ScriptedSession]:  # noqa: ARG002 - the SDK's
        session = ScriptedSession(config)
        if not self.may_open.is_set():
            self.is_asked_to_open.set()
        await self.may_open.wait()
        error = self.refuses(session.handle)
        if error is not None:
            raise error
        self.sessions.append(session)
        self._opened.set()
        yield session

    async def session(self, number: int) -> ScriptedSession:
        """Return the session with this number, from 1, once it is open."""
        async with asyncio.timeout(_EVENT_SECONDS):
            while len(self.sessions) < number:
                self._opened.clear()
                await self._opened.wait()
        return self.sessions[number - 1]


class ScriptedGemini(ScriptedService, GeminiLiveLLMService):
    """The product's service over a scripted model."""

    def __init__(
        self, *, server_detects_speech: bool = False, modalities: Any = GeminiModalities.AUDIO, **options: Any
    ) -> None:
        super().__init__(
            api_key="key",
            settings=GeminiLiveLLMService.Settings(
                model=GEMINI_MODEL,
                vad=GeminiVADParams(disabled=not server_detects_speech),
                modalities=modalities,
            ),
            **options,
        )


class PassedFrames(FrameProcessor):
    """Stands where the transport's output is, and keeps what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._came = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.frames.append(frame)
        self._came.set()
        await self.push_frame(frame, direction)

    @property
    def events(self) -> list[ModelEvent]:
        return [frame.event for frame in self.frames if isinstance(frame, ModelEventFrame)]

    async def event(self, kind: type[ModelEvent]) -> ModelEvent:
        """Return the first event of this kind, once it is there."""
        async with asyncio.timeout(_EVENT_SECONDS):
            while not (found := [event for event in self.events if isinstance(event, kind)]):
                self._came.clear()
                await self._came.wait()
        return found[0]

    async def frame(self, kind: type[Frame], number: int = 1) -> Frame:
        """Return the frame of this kind with this number, from 1, once it is there."""
        async with asyncio.timeout(_EVENT_SECONDS):
            while len(found := [frame for frame in self.frames if isinstance(frame, kind)]) < number:
                self._came.clear()
                await self._came.wait()
        return found[number - 1]


class ScriptedCall:
    """A call over a scripted model, greeted on request."""

    def __init__(self, worker: PipelineWorker, model: ScriptedGemini, seen: PassedFrames) -> None:
        self.model = model
        self.seen = seen
        self.errors: asyncio.Queue[ErrorFrame] = asyncio.Queue()
        self._worker = worker
        self.context = LLMContext([{"role": "user", "content": GREETING}])

    async def gets(self, frame: Frame) -> None:
        await self._worker.queue_frame(frame)

    async def greet(self) -> None:
        await self._worker.queue_frame(LLMContextFrame(self.context))

    async def settles_cancelled(self, call_id: str) -> None:
        """Bring a context with a cancelled call, as Pipecat's aggregator does with the next result."""
        self.context.add_message({"role": "tool", "content": "CANCELLED", "tool_call_id": call_id})
        await self._worker.queue_frame(LLMContextFrame(self.context))

    async def caller_begins(self) -> None:
        await self._worker.queue_frame(UserStartedSpeakingFrame())

    async def caller_is_heard(self, audio: bytes) -> None:
        await self._worker.queue_frame(InputAudioRawFrame(audio, 16_000, 1))

    async def caller_ends(self) -> None:
        await self._worker.queue_frame(UserStoppedSpeakingFrame())

    async def caller_types(self, text: str) -> None:
        await self._worker.queue_frame(InputTextRawFrame(text=text))

    async def ends(self) -> None:
        await self._worker.queue_frame(EndFrame())

    async def caller_says(self, audio: bytes) -> None:
        await self.caller_begins()
        await self.caller_is_heard(audio)
        await self.caller_ends()

    async def is_given_up(self) -> Exception:
        """Return the error that the service gives up with."""
        async with asyncio.timeout(_EVENT_SECONDS):
            while True:
                frame = await self.errors.get()
                if frame.exception is not None and not self.model.is_usable:
                    return frame.exception


@contextlib.asynccontextmanager
async def scripted_call(model: ScriptedGemini) -> AsyncIterator[ScriptedCall]:
    """Run the service in a pipeline of its own."""
    seen = PassedFrames()
    worker = PipelineWorker(Pipeline([model, seen]), params=PipelineParams(), enable_rtvi=False)
    call = ScriptedCall(worker, model, seen)
    worker.add_event_handler("on_pipeline_error", lambda _worker, frame: call.errors.put_nowait(frame))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(runner.run())
        yield call
        await worker.cancel()
        await running
