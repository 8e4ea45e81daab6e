"""The usage of a call, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import Field

Name = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=10_000_000)]


@dataclass(frozen=True, slots=True)
class Tokens:
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


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Calls of one tool, by outcome."""

    ok: Count = 0
    error: Count = 0


@dataclass(frozen=True, slots=True)
class TalkSeconds:
    """How long each side spoke."""

    caller: Seconds = 0.0
    bot: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """The usage of one call so far.

    `turns` counts the caller's finished turns, `turns_unanswered` the times that the caller was owed an
    answer and had not heard it: `TurnUnanswered` in podline.contract.messages.
    """

    models: Annotated[dict[Name, Tokens], Field(max_length=16)] = field(default_factory=dict)
    turns: Count = 0
    turns_unanswered: Count = 0
    interruptions: Count = 0
    tool_calls: Annotated[dict[Name, ToolCalls], Field(max_length=32)] = field(default_factory=dict)
    talk_seconds: TalkSeconds = TalkSeconds()


_VALUES: Final = {kind: attrgetter(*kind.__slots__) for kind in (Tokens, ToolCalls, TalkSeconds)}


def values(numbers: Tokens | ToolCalls | TalkSeconds) -> tuple[Any, ...]:
    """Return the numbers in the order of their fields."""
    found: tuple[Any, ...] = _VALUES[type(numbers)](numbers)
    return found
