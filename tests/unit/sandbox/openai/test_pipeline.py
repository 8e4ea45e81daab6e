"""The cascaded example over a whole pipeline: a call as it should be, and with each misbehaviour."""

import asyncio
from typing import Any

import pytest
from pipecat.frames.frames import ErrorFrame
from pipecat.metrics.metrics import LLMUsageMetricsData, STTUsageMetricsData, TTSUsageMetricsData
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.errors import ErrorCategory

from sandbox.mind import answers
from sandbox.voice import Voice
from tests.unit.sandbox.openai.cascade_call import PATIENCE_SECONDS, calling_cascade
from tests.unit.sandbox.openai.serving import KEY, Served

pytestmark = pytest.mark.filterwarnings("ignore:`AudioContextTTSService` is:DeprecationWarning")

SAVED = "Saved number 2, Trail running shoes."


@pytest.fixture(autouse=True)
def environment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `sandbox.env` says."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", served.url)


async def test_a_caller_is_heard_answered_and_can_cut_the_answer_short(served: Served, voice: Voice) -> None:
    async with calling_cascade(voice) as (room, bot):
        await room.hears("What are you looking for?")
        await room.say("find running shoes")
        await room.hears("I found 2 products.")
        found = room.results()
        await room.say("save product two")
        await room.hears(SAVED)
        assert room.interruptions() == 1
        assert "Say save and the number" not in room.said()
        await room.say("thank you goodbye")
        await room.hears("Goodbye!")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await bot

    assert [(result.function_name, result.result["total"]) for result in found] == [("search_products", 2)]
    metrics = list(room.metrics())
    tokens = [each.value.total_tokens for each in metrics if isinstance(each, LLMUsageMetricsData)]
    sent = [each.usage for each in served.openai.record.requests if each.endpoint == "completions"]
    assert tokens == [usage["total_tokens"] for usage in sent if usage is not None]
    assert {each.model for each in metrics if isinstance(each, STTUsageMetricsData)} == {"gpt-transcribe"}
    assert sum(each.value for each in metrics if isinstance(each, TTSUsageMetricsData)) >= len(
        answers.GREETING
    )


LOST: list[dict[str, Any]] = [
    {"name": "empty_completion"},
    {"name": "ended_early"},
    {"name": "error_in_stream"},
    {"name": "nonsense"},
    {"name": "cut", "endpoint": "completions"},
    {"name": "cut", "endpoint": "speech"},
    {"name": "usage", "tokens": -1},
    {"name": "bad_arguments"},
    {"name": "unknown_tool"},
    {"name": "repeated_call_id"},
    {"name": "wrong_transcription"},
    {"name": "wrong_speech"},
    {"name": "wrong_speech", "sound": "nothing"},
    {"name": "wrong_speech", "sound": "odd_bytes"},
    {"name": "stall", "endpoint": "completions"},
    {"name": "stall", "endpoint": "speech", "after": "first"},
]


async def test_a_call_outlives_answers_that_go_wrong(served: Served, voice: Voice) -> None:
    """Each fault is met by the next question, which also cuts short what the fault before has left."""
    async with calling_cascade(voice) as (room, bot):
        await room.hears("What are you looking for?")
        for order in LOST:
            await served.order(**order)
            await room.say("find running shoes")
            async with asyncio.timeout(PATIENCE_SECONDS):
                await served.misbehaves()
        await room.say("save product two")
        await room.hears(SAVED)
        await room.hears_sound()
        assert not bot.done()
    met = [each.misbehaviour for each in served.openai.record.requests if each.misbehaviour]
    assert met == [order["name"] for order in LOST]


async def test_refusals_reach_the_bot_as_errors_with_their_kind(served: Served, voice: Voice) -> None:
    """Only a refused key is for ever."""
    kinds: dict[str, tuple[ErrorCategory | None, bool]] = {}
    async with calling_cascade(voice) as (room, _bot):
        await room.hears("What are you looking for?")
        for order in ({"name": "out_of_quota"}, {"name": "status", "status": 500}, {"name": "invalid_key"}):
            await served.order(**order, times=None, endpoint="completions")
            await room.say("find running shoes")
            await room.sees(lambda: bool(room.errors()))
            [error] = room.since(ErrorFrame)
            assert isinstance(error.processor, OpenAILLMService)
            kinds[str(order["name"])] = error.category, error.processor.is_usable
            served.openai.orders.reset()
            if error.processor.is_usable:
                await room.say("save product two")
                await room.hears("umber 2, Trail running shoes")

    assert kinds == {
        "out_of_quota": (ErrorCategory.RATE_LIMIT, True),
        "status": (ErrorCategory.SERVER, True),
        "invalid_key": (ErrorCategory.AUTHENTICATION, False),
    }
