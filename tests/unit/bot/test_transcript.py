"""Finished turns reach the backend once each, and a call never waits for that."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from loguru import logger
from pipecat.frames.frames import LLMFullResponseEndFrame, LLMFullResponseStartFrame, LLMTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frameworks.rtvi.frames import RTVISendTextFrame
from pipecat.workers.runner import WorkerRunner

from bot.store import Store, StoreTimeouts
from bot.transcript import MAX_WAITING_TURNS, Rhythm, Transcript
from testing.fakes.bots.bot_store import FakeStore

QUICK = Rhythm(wait=0.01, first_pause=0.01, longest_pause=0.01, flush_within=2.0)
AT_THE_END = Rhythm(batch=5, wait=3600.0, flush_within=5.0)


@pytest.fixture
async def fake() -> AsyncIterator[FakeStore]:
    async with FakeStore() as fake:
        yield fake


@pytest.fixture
def store(fake: FakeStore, http: aiohttp.ClientSession) -> Store:
    return Store(http, fake.url, "convex-secret", StoreTimeouts(total=2.0, pauses=()))


def noon() -> datetime:
    return datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


async def test_a_turn_is_sent_while_the_call_goes_on(fake: FakeStore, store: Store) -> None:
    async with Transcript(store, "call-1", "ana", now=noon, rhythm=QUICK) as transcript:
        transcript.add("assistant", "Hello!")
        await fake.until(lambda: bool(fake.turns))

    assert fake.requests[0].body == {
        "sessionId": "call-1",
        "userId": "ana",
        "turns": [{"index": 0, "role": "assistant", "text": "Hello!", "at": "2026-03-01T12:00:00.250Z"}],
    }
    assert fake.requests[0].authorization == "Bearer convex-secret"


async def test_what_is_said_and_typed_in_a_pipeline_is_added(fake: FakeStore, store: Store) -> None:
    user, assistant = LLMContextAggregatorPair(LLMContext())
    worker = PipelineWorker(Pipeline([user, assistant]), enable_rtvi=False)
    async with Transcript(store, "call-1", "ana", rhythm=QUICK) as transcript:
        transcript.follow(worker, user, assistant)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        await worker.queue_frame(RTVISendTextFrame(msg_id="1", text="And in red?"))
        await fake.until(lambda: len(fake.turns) == 1)
        await worker.queue_frames(
            [LLMFullResponseStartFrame(), LLMTextFrame("Yes."), LLMFullResponseEndFrame()]
        )
        await fake.until(lambda: len(fake.turns) == 2)
        await worker.cancel()
        await running

    assert [(turn["role"], turn["text"]) for turn in fake.turns.values()] == [
        ("user", "And in red?"),
        ("assistant", "Yes."),
    ]


async def test_turns_go_in_batches_as_soon_as_one_is_full(fake: FakeStore, store: Store) -> None:
    async with Transcript(store, "call-1", "ana", rhythm=AT_THE_END) as transcript:
        for count in range(7):
            transcript.add("user", f"turn {count}")
        await fake.until(lambda: len(fake.turns) == 5)

    assert all(len(request.body["turns"]) <= 5 for request in fake.requests)
    assert [turn["text"] for turn in fake.turns.values()] == [f"turn {count}" for count in range(7)]


async def test_a_backend_that_fails_gets_the_same_turns_again(fake: FakeStore, store: Store) -> None:
    fake.faults.extend([500, b"", "hang up", 429])
    fake.faults_after.append("hang up")
    async with Transcript(store, "call-1", "ana", rhythm=QUICK) as transcript:
        transcript.add("user", "one")
        transcript.add("assistant", "two")
        await fake.until(lambda: len(fake.turns) == 2)

    assert [turn["index"] for turn in fake.turns.values()] == [0, 1]


async def test_a_backend_without_transcripts_is_left_alone(
    fake: FakeStore, store: Store, logged: list[str]
) -> None:
    fake.keeps_transcripts = False
    said = asyncio.Event()
    sink = logger.add(lambda _: said.set())
    async with asyncio.timeout(10), Transcript(store, "call-1", "ana", rhythm=QUICK) as transcript:
        transcript.add("user", "one")
        await said.wait()
        transcript.add("user", "two")
    logger.remove(sink)

    assert len(fake.requests) == 1
    assert ["keeps no transcripts" in line for line in logged] == [True]


async def test_no_line_logged_holds_what_was_said(http: aiohttp.ClientSession, logged: list[str]) -> None:
    nowhere = Store(http, "http://127.0.0.1:1", "convex-secret", StoreTimeouts(pauses=()))
    rhythm = Rhythm(wait=0.0, first_pause=0.01, longest_pause=0.01, flush_within=0.05)
    async with asyncio.timeout(10), Transcript(nowhere, "call-1", "ana", rhythm=rhythm) as transcript:
        transcript.add("user", "my secret wish")

    assert any("turns never delivered {'count': 1}" in line for line in logged)
    assert not any("secret" in line for line in logged)


async def test_a_long_absence_of_the_backend_drops_the_oldest_turns(fake: FakeStore, store: Store) -> None:
    transcript = Transcript(store, "call-1", "ana", rhythm=QUICK)
    for count in range(MAX_WAITING_TURNS + 3):
        transcript.add("user", f"turn {count}")
    async with transcript:
        pass

    assert transcript.dropped == 3
    assert min(fake.turns) == 3
    assert len(fake.turns) == MAX_WAITING_TURNS
