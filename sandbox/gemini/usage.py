"""How many tokens a turn costs, as Gemini's usageMetadata."""

from __future__ import annotations

from typing import Any, Final

import msgspec

INPUT_AUDIO_TOKENS_PER_SECOND: Final = 32
"""ai.google.dev/gemini-api/docs/tokens: audio is 32 tokens a second."""

OUTPUT_AUDIO_TOKENS_PER_SECOND: Final = 25
"""ai.google.dev/gemini-api/docs/live-session: audio of the Live API is about 25 tokens a second."""

_MOST_SANE: Final = 2**31


class Spent(msgspec.Struct, frozen=True):
    """Tokens by modality: what went in, what came out."""

    prompt_text: int = 0
    prompt_audio: int = 0
    response_audio: int = 0

    @property
    def total(self) -> int:
        return self.prompt_text + self.prompt_audio + self.response_audio

    def plus(self, other: Spent) -> Spent:
        return Spent(
            self.prompt_text + other.prompt_text,
            self.prompt_audio + other.prompt_audio,
            self.response_audio + other.response_audio,
        )


def heard_tokens(seconds: float) -> int:
    """Tokens of the caller's speech."""
    return round(seconds * INPUT_AUDIO_TOKENS_PER_SECOND)


def spoken_tokens(seconds: float) -> int:
    """Tokens of the model's speech."""
    return round(seconds * OUTPUT_AUDIO_TOKENS_PER_SECOND)


def usage_metadata(spent: Spent) -> dict[str, Any]:
    """Return one turn's tokens in the protocol's form."""
    return {
        "promptTokenCount": spent.prompt_text + spent.prompt_audio,
        "responseTokenCount": spent.response_audio,
        "totalTokenCount": spent.total,
        "promptTokensDetails": _details(TEXT=spent.prompt_text, AUDIO=spent.prompt_audio),
        "responseTokensDetails": _details(AUDIO=spent.response_audio),
    }


def spent_in(usage: dict[str, Any]) -> Spent:
    """Return the tokens in a `usageMetadata`."""
    prompt = _counts(usage["promptTokensDetails"])
    return Spent(
        prompt_text=prompt.get("TEXT", 0),
        prompt_audio=prompt.get("AUDIO", 0),
        response_audio=_counts(usage["responseTokensDetails"]).get("AUDIO", 0),
    )


def sane_spent_in(usage: dict[str, Any]) -> Spent:
    """Return the tokens in a `usageMetadata`; none if it is not one that an honest model gives."""
    counts = (usage.get("totalTokenCount"), *(detail["tokenCount"] for detail in _all_details(usage)))
    sane = all(isinstance(count, int) and 0 <= count < _MOST_SANE for count in counts)
    return spent_in(usage) if sane else Spent()


def _all_details(usage: dict[str, Any]) -> list[dict[str, Any]]:
    return [*usage["promptTokensDetails"], *usage["responseTokensDetails"]]


def _counts(details: list[dict[str, Any]]) -> dict[str, int]:
    return {detail["modality"]: detail["tokenCount"] for detail in details}


def _details(**counts: int) -> list[dict[str, Any]]:
    return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]
