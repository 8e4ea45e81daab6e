"""The usage of a call, in plain numbers."""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]


class Tokens(msgspec.Struct, frozen=True):
    """Tokens of one model.

    Prompt tokens contain the cached and the audio ones, completion tokens the reasoning and the audio
    ones, as in Pipecat's `LLMTokenUsage`: never add parts to their whole.
    """

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    input_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_read_input_audio_tokens: Count = 0
    reasoning_tokens: Count = 0

    def plus(self, other: Tokens) -> Tokens:
        return Tokens(*(a + b for a, b in zip(_values(self), _values(other), strict=True)))


class ToolCalls(msgspec.Struct, frozen=True):
    """Calls of one tool, by outcome."""

    ok: Count = 0
    error: Count = 0


class TalkSeconds(msgspec.Struct, frozen=True):
    """How long each side spoke."""

    caller: Seconds = 0.0
    bot: Seconds = 0.0


class Usage(msgspec.Struct, frozen=True):
    """The usage of one call so far. A turn is one finished turn of the caller."""

    models: Annotated[dict[Name, Tokens], msgspec.Meta(max_length=16)] = {}
    turns: Count = 0
    interruptions: Count = 0
    tool_calls: Annotated[dict[Name, ToolCalls], msgspec.Meta(max_length=32)] = {}
    talk_seconds: TalkSeconds = TalkSeconds()


def _values(tokens: Tokens) -> tuple[int, ...]:
    return msgspec.structs.astuple(tokens)
