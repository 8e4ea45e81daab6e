"""What the model is asked, by voice or in writing, given what it remembers of the conversation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sandbox.gemini import answers
from sandbox.gemini.intents import (
    AnswerAgain,
    Greet,
    Intent,
    Remove,
    Save,
    Search,
    ToolReturned,
    parse,
    parse_instruction,
)
from sandbox.gemini.memory import Asked, Memory

_SOMETHING = Search("that")


def asked_by_voice(memory: Memory, words: str | None, categories: Collection[str]) -> Asked:
    """Return what an utterance asks for, and remember it."""
    memory.caller.count(words)
    return _remembered(memory, Asked("answer", parse(words or "", categories)))


def asked_in_writing(memory: Memory, text: str, categories: Collection[str], *, typed: bool) -> Asked:
    """Return what a text asks for, and remember it.

    Args:
        memory: What the model knows.
        text: The text; empty for a request without words.
        categories: The shop's categories.
        typed: True if it came as the caller's words, False if as the application's.
    """
    request = parse(text, categories)
    intent = parse_instruction(text) if request is None else request
    if isinstance(intent, ToolReturned):
        return _remembered(memory, _result(memory, intent))
    again = memory.asked
    if again is not None and (
        isinstance(intent, AnswerAgain) or (not text.strip() and again.intent and memory.owes)
    ):
        return again
    asked = _asked(memory, request, intent, typed=typed)
    if asked.kind == "answer":
        memory.caller.count(text or None)
    else:
        memory.caller.utterances = 0
    return _remembered(memory, asked)


def read_history(memory: Memory, text: str, categories: Collection[str]) -> None:
    """Remember a turn of the caller, or of the application in its place."""
    request = parse(text, categories)
    intent = parse_instruction(text) if request is None else request
    if isinstance(intent, ToolReturned):
        memory.ask(_result(memory, intent))
    else:
        memory.ask(_asked(memory, request, intent, typed=True))


def _asked(memory: Memory, request: Intent | None, intent: Intent | None, *, typed: bool) -> Asked:
    if memory.greeted or (typed and request is not None):
        return Asked("answer", intent)
    return Asked("greeting", intent or Greet())


def _remembered(memory: Memory, asked: Asked) -> Asked:
    memory.ask(asked)
    return asked


def _result(memory: Memory, returned: ToolReturned) -> Asked:
    """Return how a tool's result that came as text answers what was asked before it."""
    asked: Intent | None = None if memory.asked is None else memory.asked.intent
    request = asked if isinstance(asked, Search | Save | Remove) else memory.search or _SOMETHING
    request = _changed(returned.response or {}) or request
    if returned.response is None:
        return Asked("tool_result", request, answers.FOUND_SOME)
    return Asked("tool_result", request, answers.answer_from(request, returned.response))


def _changed(response: dict[str, Any]) -> Save | Remove | None:
    """Return the request that a result answers, if the result shows it."""
    for kind, subject in ((Save, "saved"), (Remove, "removed")):
        product = response.get(subject)
        if isinstance(product, dict) and isinstance(number := product.get("number"), int):
            return kind(number)
    return None
