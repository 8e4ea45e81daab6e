"""What services used and how long they took: one event for each of their measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipecat.frames.frames import MetricsFrame
from pipecat.metrics.metrics import (
    LLMTokenUsage,
    LLMUsageMetricsData,
    MetricsData,
    STTUsageMetricsData,
    TTFBMetricsData,
    TTSUsageMetricsData,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.processors.frame_processor import FrameProcessor

from podline.contract.messages import Event, FirstByte, Synthesized, TokensUsed, Transcribed
from podline.contract.text import printable
from podline.contract.usage import Tokens

_MOST_NAME: Final = 64
_MOST_MODEL: Final = 128
_SERVICES: Final = "pipecat.services."
_VENDORS_DEPTH: Final = 3
"""Dots in `pipecat.services.openai.stt`, a vendor's module; they build on `pipecat.services.stt_service`."""


class ServiceObserver(BaseObserver):
    """Records what services report of themselves in `MetricsFrame`s, each of which it must see once."""

    def __init__(self, record: Callable[[Event], None]) -> None:
        super().__init__()
        self._record = record

    async def on_push_frame(self, data: FramePushed) -> None:
        if isinstance(data.frame, MetricsFrame):
            for measured in data.frame.data:
                event = service_event(measured, data.source)
                if event is not None:
                    self._record(event)


def service_event(measured: MetricsData, source: FrameProcessor) -> Event | None:
    """Return the event of a measurement that `source` sent; None if it is neither usage nor a first byte.

    Of latencies only the first byte is reported: every kind of service has it, and the others build on it.
    """
    service = service_name(measured.processor, source)
    model = printable((measured.model or service).removeprefix("models/"), _MOST_MODEL) or service
    match measured:
        case LLMUsageMetricsData(value=value):
            return TokensUsed(model, tokens(value), service)
        case STTUsageMetricsData(value=value):
            return Transcribed(model, max(0.0, value.audio_seconds), service)
        case TTSUsageMetricsData(value=characters):
            return Synthesized(model, max(0, characters), service)
        # A pipeline that sends initial metrics begins with a zero for each service, which nobody measured.
        case TTFBMetricsData(value=seconds) if seconds > 0:
            return FirstByte(model, seconds, service)
        case _:
            return None


def service_name(processor: str, source: FrameProcessor) -> str:
    """Return the class of a service, as Pipecat names it.

    Args:
        processor: The name that the service reports: by default its class and a number, `OpenAITTSService#0`.
        source: What sent the measurement, as a rule the service itself. Then a bot's own subclass counts as
            the service of Pipecat's that it builds on, and a name chosen by the bot doesn't matter.
    """
    name = _class_name(type(source)) if source.name == processor else processor.partition("#")[0]
    return printable(name.replace("/", " "), _MOST_NAME) or "unnamed"


def tokens(value: LLMTokenUsage) -> Tokens:
    """Return the counts of one answer; a count that the service leaves out is zero.

    Some services report the prompt without what they read from or wrote to a cache; the total includes it.
    """
    cached = (value.cache_read_input_tokens or 0) + (value.cache_creation_input_tokens or 0)
    missing = value.total_tokens - value.prompt_tokens - value.completion_tokens
    return Tokens(
        prompt_tokens=value.prompt_tokens + max(0, min(missing, cached)),
        completion_tokens=value.completion_tokens,
        input_audio_tokens=value.input_audio_tokens or 0,
        output_audio_tokens=value.output_audio_tokens or 0,
        cache_read_input_tokens=value.cache_read_input_tokens or 0,
        cache_read_input_audio_tokens=value.cache_read_input_audio_tokens or 0,
        reasoning_tokens=value.reasoning_tokens or 0,
    )


def _class_name(kind: type[FrameProcessor]) -> str:
    vendors = (each for each in kind.__mro__ if _is_vendors(each.__module__))
    return next(vendors, kind).__name__


def _is_vendors(module: str) -> bool:
    return module.startswith(_SERVICES) and module.count(".") >= _VENDORS_DEPTH
