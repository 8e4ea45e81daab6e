"""What the model is asked, with the caller's utterances counted."""

from __future__ import annotations

from collections.abc import Collection

from sandbox.gemini.memory import Memory
from sandbox.mind.dialogue import Asked
from sandbox.mind.understanding import understand_speech, understand_text


def asked_by_voice(memory: Memory, words: str | None, categories: Collection[str]) -> Asked:
    """Return what an utterance asks for, and remember it."""
    memory.caller.count(words)
    return understand_speech(memory, words, categories)


def asked_in_writing(memory: Memory, text: str, categories: Collection[str], *, typed: bool) -> Asked:
    """Return what a text asks for, and remember it.

    Args:
        memory: What the model knows.
        text: The text; empty for a request without words.
        categories: The shop's categories.
        typed: True if it came as the caller's words, False if as the application's.
    """
    before = memory.asked
    asked = understand_text(memory, text, categories, typed=typed)
    if asked is before or asked.kind == "tool_result":
        return asked
    if asked.kind == "answer":
        memory.caller.count(text or None)
    else:
        memory.caller.utterances = 0
    return asked
