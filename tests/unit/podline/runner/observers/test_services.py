"""Every service's measurements become events under stable names: the service's class and its model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.frames.frames import Frame
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    MetricsData,
    ProcessingMetricsData,
    STTUsage,
    STTUsageMetricsData,
    TextAggregationMetricsData,
    TTFAMetricsData,
    TTFBMetricsData,
    TTSUsageMetricsData,
    TurnMetricsData,
)
from pipecat.processors.filters.identity_filter import IdentityFilter
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.stt_service import STTService

from podline.contract.messages import Event, FirstByte, Synthesized, TokensUsed, Transcribed
from podline.contract.usage import Tokens
from podline.gemini.service import GeminiLiveLLMService as HardenedGemini
from podline.runner.observers.services import service_event, service_name, tokens


class BotsOwnModel(GeminiLiveLLMService):
    """A bot's subclass of a service of Pipecat's."""


class AcmeSTTService(STTService):
    """A service that Pipecat doesn't have, on the base that Pipecat has for all."""

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None]:  # noqa: ARG002 - Pipecat's
        yield None


def usage(**counts: int) -> LLMTokenUsage:
    return LLMTokenUsage(**{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, **counts})


@pytest.mark.parametrize(
    ("source", "service"),
    [
        (lambda: GeminiLiveLLMService(api_key="none"), "GeminiLiveLLMService"),
        (lambda: GeminiLiveLLMService(api_key="none", name="the model"), "GeminiLiveLLMService"),
        (lambda: BotsOwnModel(api_key="none"), "GeminiLiveLLMService"),
        (lambda: HardenedGemini(api_key="none"), "GeminiLiveLLMService"),
        (lambda: OpenAISTTService(api_key="none"), "OpenAISTTService"),
        (lambda: OpenAILLMService(api_key="none"), "OpenAILLMService"),
        (AcmeSTTService, "AcmeSTTService"),
    ],
)
async def test_a_service_is_named_by_the_class_that_pipecat_has_for_it(
    source: Callable[[], FrameProcessor], service: str
) -> None:
    made = source()

    assert service_name(made.name, made) == service


@pytest.mark.parametrize(
    ("processor", "service"),
    [
        ("OpenAISTTService#3", "OpenAISTTService"),
        ("the\nvoice", "the voice"),
        ("a/b#1", "a b"),
        ("x" * 100, "x" * 64),
        ("\u202e", "unnamed"),
        ("", "unnamed"),
    ],
)
async def test_who_reports_for_another_names_it_and_the_name_is_short_and_printable(
    processor: str, service: str
) -> None:
    assert service_name(processor, IdentityFilter()) == service


@pytest.mark.parametrize(
    ("measured", "event"),
    [
        (
            STTUsageMetricsData(processor="S#0", model="whisper", value=STTUsage(audio_seconds=1.5)),
            Transcribed("whisper", 1.5, "S"),
        ),
        (TTSUsageMetricsData(processor="S#0", model="tts-1", value=40), Synthesized("tts-1", 40, "S")),
        (
            LLMUsageMetricsData(
                processor="S#0", model="models/gemini-3.8-live", value=usage(prompt_tokens=7)
            ),
            TokensUsed("gemini-3.8-live", Tokens(prompt_tokens=7), "S"),
        ),
        (TTFBMetricsData(processor="S#0", model="tts-1", value=0.25), FirstByte("tts-1", 0.25, "S")),
        (TTFBMetricsData(processor="S#0", value=0.5), FirstByte("S", 0.5, "S")),
        (TTFBMetricsData(processor="S#0", value=0.0), None),
        (TTFBMetricsData(processor="S#0", value=-3.0), None),
        (TTSUsageMetricsData(processor="S#0", model="\x1b[31m", value=1), Synthesized("S", 1, "S")),
        (TTSUsageMetricsData(processor="S#0", model="m" * 500, value=1), Synthesized("m" * 128, 1, "S")),
        (TTFAMetricsData(processor="S#0", ttfa=1, ttfb=0.5, leading_silence=0.5), None),
        (ProcessingMetricsData(processor="S#0", value=1), None),
        (TextAggregationMetricsData(processor="S#0", value=1), None),
        (TurnMetricsData(processor="S#0", is_complete=True, probability=1, e2e_processing_time_ms=1), None),
    ],
)
async def test_usage_and_first_bytes_are_recorded_and_nothing_else(
    measured: MetricsData, event: Event | None
) -> None:
    assert service_event(measured, IdentityFilter()) == event


@pytest.mark.parametrize(
    ("reported", "prompt"),
    [
        # As OpenAI reports it: the prompt includes what was read from the cache.
        (usage(prompt_tokens=100, completion_tokens=5, total_tokens=105, cache_read_input_tokens=80), 100),
        # As Anthropic does: the prompt is what is left of it.
        (
            usage(
                prompt_tokens=20,
                completion_tokens=5,
                total_tokens=115,
                cache_read_input_tokens=80,
                cache_creation_input_tokens=10,
            ),
            110,
        ),
        # A total that the service left out, or that counts something else.
        (usage(prompt_tokens=100, completion_tokens=5, cache_read_input_tokens=80), 100),
        (usage(prompt_tokens=100, completion_tokens=5, total_tokens=500), 100),
    ],
)
def test_a_prompt_includes_its_cached_part_whoever_reports_it(reported: LLMTokenUsage, prompt: int) -> None:
    assert tokens(reported).prompt_tokens == prompt


@given(*[st.integers(0, 10**6)] * 3, st.none() | st.integers(0, 10**6))
def test_a_prompt_is_never_less_than_reported_and_at_most_the_cached_part_more(
    prompt: int, completion: int, total: int, cached: int | None
) -> None:
    found = tokens(
        LLMTokenUsage(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=total,
            cache_read_input_tokens=cached,
        )
    ).prompt_tokens

    assert prompt <= found <= prompt + (cached or 0)
