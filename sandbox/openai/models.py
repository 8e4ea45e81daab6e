"""The models that are served, by what they are for."""

from __future__ import annotations

from typing import Any, Final

from sandbox.openai.refusals import no_model

_SNAPSHOTS: Final = {
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
}
"""Names that stand for a dated model, which an answer names instead."""

_COMPLETIONS: Final = (*_SNAPSHOTS, *_SNAPSHOTS.values(), "gpt-5", "gpt-5-mini")
_TRANSCRIPTIONS: Final = ("gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "whisper-1")
_SPEECH: Final = ("gpt-4o-mini-tts", "tts-1", "tts-1-hd")
_SERVED: Final = {"completions": _COMPLETIONS, "transcriptions": _TRANSCRIPTIONS, "speech": _SPEECH}
_CREATED: Final = 1_744_588_800


def check_model(name: str, endpoint: str) -> None:
    """Let only models pass that an endpoint serves.

    Raises:
        OpenAIRefusedError: There is no such model there.
    """
    if name not in _SERVED[endpoint]:
        raise no_model(name)


def full_name(name: str) -> str:
    """Return the name by which an answer names a model."""
    return _SNAPSHOTS.get(name, name)


def bills_by_duration(name: str) -> bool:
    """Return whether a transcription's usage is in seconds instead of tokens."""
    return name == "whisper-1"


def all_models() -> list[dict[str, Any]]:
    """Return every model, as OpenAI lists them."""
    return [describe(name) for names in _SERVED.values() for name in names]


def describe(name: str) -> dict[str, Any]:
    """Return what OpenAI says about a model.

    Raises:
        OpenAIRefusedError: There is no such model.
    """
    if not any(name in names for names in _SERVED.values()):
        raise no_model(name)
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "system"}
