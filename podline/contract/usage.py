"""The usage of a call, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import Field

Name = Annotated[str, Field(min_length=1, max_length=128)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Seconds = Annotated[float, Field(ge=0, le=10_000_000)]
ServiceName = Annotated[str, Field(min_length=1, max_length=64)]
"""The class of one of Pipecat's services, such as `OpenAISTTService`."""
ServiceKey = Annotated[str, Field(min_length=1, max_length=64 + 1 + 128)]
"""A service and its model: see `service_key`."""


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
class ModelUsage:
    """The usage of one model: tokens as in `Tokens`, the audio it transcribed, the characters it spoke.

    Each kind of service reports one of the three: a language or realtime model tokens, speech-to-text the
    seconds of audio it was sent, text-to-speech the characters it was given.
    """

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    input_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_read_input_audio_tokens: Count = 0
    reasoning_tokens: Count = 0
    audio_seconds: Seconds = 0.0
    characters: Count = 0

    @property
    def tokens(self) -> int:
        """The tokens in total."""
        return self.prompt_tokens + self.completion_tokens


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

    `services` breaks `models` down by service, as far as the bot says which one it was: its keys are
    `service_key`s. What `models` has beyond it was used by a service that is not known.

    `turns` counts the caller's finished turns, `turns_unanswered` the times that the caller was owed an
    answer and had not heard it: `TurnUnanswered` in podline.contract.messages.
    """

    models: Annotated[dict[Name, ModelUsage], Field(max_length=16)] = field(default_factory=dict)
    turns: Count = 0
    turns_unanswered: Count = 0
    interruptions: Count = 0
    tool_calls: Annotated[dict[Name, ToolCalls], Field(max_length=32)] = field(default_factory=dict)
    talk_seconds: TalkSeconds = TalkSeconds()
    services: Annotated[dict[ServiceKey, ModelUsage], Field(max_length=16)] = field(default_factory=dict)


def service_key(service: str, model: str) -> str:
    """Return the key of a service's model in `Usage.services`. No class is named with a slash."""
    return f"{service}/{model}"


def service_and_model(key: str) -> tuple[str, str]:
    """Return the service and the model of a key. One without a slash stands for several of both."""
    service, _, model = key.partition("/")
    return service, model or service


_VALUES: Final = {kind: attrgetter(*kind.__slots__) for kind in (Tokens, ModelUsage, ToolCalls, TalkSeconds)}


def values(numbers: Tokens | ModelUsage | ToolCalls | TalkSeconds) -> tuple[Any, ...]:
    """Return the numbers in the order of their fields."""
    found: tuple[Any, ...] = _VALUES[type(numbers)](numbers)
    return found
