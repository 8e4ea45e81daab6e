"""The assistant's tools in Pipecat's pipeline, with a model that speaks Gemini's protocol."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from pipecat.frames.frames import (
    Frame,
    FunctionCallCancelFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMRunFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiVADParams
from pipecat.workers.runner import WorkerRunner

from bot.settings import TOOL_TIMEOUT_SECONDS
from bot.store import Store, StoreTimeouts
from bot.tools.products import ProductTools
from podline.contract.model import GEMINI_MODEL
from podline.end_call import end_call
from podline.frames import ModelNoteFrame
from podline.gemini import GeminiLiveLLMService
from sandbox.certificate import make_certificate
from sandbox.ears import HEARING_RATE, Ears
from sandbox.gemini.door import Door
from sandbox.gemini.model import Gemini
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.server import create_gemini_app
from sandbox.gemini.tokens import EphemeralTokens
from sandbox.grammar import request_grammar
from sandbox.mind.answers import ONE_MOMENT, SORRY
from sandbox.voice import Voice
from testing.fakes.bots.bot_store import FakeStore

pytestmark = [
    # Of Pipecat's own making, in its Gemini service and in Silero's analyzer.
    pytest.mark.filterwarnings("ignore:Setting `LiveConnectConfig.generation_config`:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:path is deprecated:DeprecationWarning"),
]

SAVED = "Saved number 2, Kettle."


class Listener(FrameProcessor):
    """Hears what the model says, at the place of the output."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[str] = []
        self._frames: list[Frame] = []
        self._changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        async with self._changed:
            self._frames.append(frame)
            if isinstance(frame, TTSTextFrame):
                self.spoken.append(frame.text)
            self._changed.notify_all()
        await self.push_frame(frame, direction)

    def heard(self) -> str:
        return " ".join("".join(self.spoken).split())

    def forget(self) -> None:
        self.spoken.clear()
        self._frames.clear()

    async def until(self, kind: type[Frame], holds: Callable[[], bool] = lambda: True) -> None:
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(
                lambda: any(isinstance(frame, kind) for frame in self._frames) and holds()
            )


class Conversation:
    """A call's pipeline after the greeting, without a room."""

    def __init__(
        self, worker: PipelineWorker, model: GeminiLiveLLMService, listener: Listener, gemini: Gemini
    ) -> None:
        self.worker = worker
        self.model = model
        self.listener = listener
        self._gemini = gemini

    @property
    def record(self) -> SessionRecord:
        """What the model's side saw of the only connection."""
        [record] = self._gemini.record.sessions
        return record

    async def writes(self, text: str) -> None:
        self.listener.forget()
        await self.worker.queue_frame(InputTextRawFrame(text))

    async def interrupts(self) -> None:
        """Begin to speak over the bot, as voice detection would report it."""
        cough = np.random.default_rng(1).normal(0, 300, HEARING_RATE // 2).astype(np.int16).tobytes()
        await self.worker.queue_frames(
            [
                InterruptionFrame(),
                UserStartedSpeakingFrame(),
                InputAudioRawFrame(audio=cough, sample_rate=HEARING_RATE, num_channels=1),
            ]
        )

    async def falls_silent(self) -> None:
        await self.worker.queue_frame(UserStoppedSpeakingFrame())


@pytest.fixture
async def gemini(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gemini]:
    now = datetime.now(UTC)
    certificate, tls = make_certificate(tmp_path, now)
    made = Gemini(
        key="the-right-key",
        ears=Ears(request_grammar(["lamps"]), np.random.default_rng(1)),
        voice=Voice(words_per_minute=300),
        categories=[],
        pacing=Pacing(pace=4.0),
        clock=time.monotonic,
        sleep=asyncio.sleep,
        now=lambda: now,
        tokens=EphemeralTokens(lambda: now),
    )
    runner = web.AppRunner(create_gemini_app(made))
    await runner.setup()
    await web.SockSite(runner, Door("127.0.0.1", 0, made.turns_away), ssl_context=tls).start()
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", f"https://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield made
    await runner.cleanup()
    made.ears.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeStore]:
    async with FakeStore() as fake:
        yield fake


@asynccontextmanager
async def conversation(
    gemini: Gemini, store: Store, announced: list[dict[str, Any]]
) -> AsyncIterator[Conversation]:
    async def announce(message: dict[str, Any]) -> None:
        announced.append(message)

    async with ProductTools(store, "ana", announce) as products:
        model = GeminiLiveLLMService(
            api_key="the-right-key",
            settings=GeminiLiveLLMService.Settings(
                model=GEMINI_MODEL,
                system_instruction="Help shoppers.",
                vad=GeminiVADParams(disabled=True),
            ),
            tools=[*products.functions, end_call],
            function_call_timeout_secs=TOOL_TIMEOUT_SECONDS,
        )
        user, assistant = LLMContextAggregatorPair(
            LLMContext([{"role": "user", "content": "Greet the caller."}])
        )
        listener = Listener()
        worker = PipelineWorker(Pipeline([user, model, listener, assistant]), idle_timeout_secs=None)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        try:
            await worker.queue_frame(LLMRunFrame())
            await listener.until(LLMFullResponseEndFrame)
            listener.forget()
            yield Conversation(worker, model, listener, gemini)
        finally:
            await worker.cancel()
            await running


async def test_a_save_blocks_the_model_which_says_nothing_before_the_store_has_answered(
    gemini: Gemini, fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    async with conversation(gemini, Store(http, fake.url, None), []) as call:
        assert call.record.tools == dict.fromkeys(
            ("search_products", "save_product", "remove_product", "end_call"), "BLOCKING"
        )
        fake.gate.clear()
        await call.writes("save product two")
        await fake.until(lambda: len(fake.requests) == 1)
        before = call.listener.heard()
        fake.gate.set()
        await call.listener.until(LLMFullResponseEndFrame, lambda: "Kettle" in call.listener.heard())

    # A model that does not wait says ONE_MOMENT, before or after this moment.
    assert before == ""
    assert ONE_MOMENT not in call.listener.heard()
    assert call.listener.heard() == SAVED


async def test_a_save_that_the_caller_speaks_over_is_finished_and_noted_for_the_model(
    gemini: Gemini, fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    announced: list[dict[str, Any]] = []
    async with conversation(gemini, Store(http, fake.url, None), announced) as call:
        fake.gate.clear()
        await call.writes("save product two")
        await fake.until(lambda: len(fake.requests) == 1)
        await call.interrupts()
        await call.listener.until(FunctionCallCancelFrame)
        fake.gate.set()
        await call.listener.until(ModelNoteFrame)
        await call.falls_silent()
        await call.listener.until(LLMFullResponseEndFrame)

    assert fake.saved == {"ana": {2}}
    assert [message["type"] for message in announced] == ["product_saved"]
    [note] = call.record.notes
    assert "number 2 was cut off, but has succeeded" in note
    assert call.listener.heard() == SORRY  # the caller's sound was no word; neither call nor note is answered
    assert [response.outcome for response in call.record.tool_responses] == []


async def test_a_note_waits_until_the_model_has_said_what_it_is_saying(
    gemini: Gemini, fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    async with conversation(gemini, Store(http, fake.url, None), []) as call:
        await call.writes("find a kettle")
        await call.listener.until(TTSAudioRawFrame)
        await call.model.queue_frame(ModelNoteFrame.of("Product 2 is on the list."))
        await call.listener.until(ModelNoteFrame)
        assert call.record.notes == []
        await call.listener.until(LLMFullResponseEndFrame)
        await call.writes("save product two")
        await call.listener.until(LLMFullResponseEndFrame)

    assert call.record.notes == ["Product 2 is on the list."]
    assert call.record.interruptions == 0
    assert call.listener.heard() == SAVED  # and not an answer to the note with it


async def test_a_store_that_hangs_is_mentioned_and_the_model_never_hears_of_a_cancellation(
    gemini: Gemini, fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    fake.faults.append("hang")
    store = Store(http, fake.url, None, StoreTimeouts(total=0.1))
    async with conversation(gemini, store, []) as call:
        await call.writes("save product two")
        await call.listener.until(LLMFullResponseEndFrame)

    assert "can't tell whether it worked" in call.listener.heard()
