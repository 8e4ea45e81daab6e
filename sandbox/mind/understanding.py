"""What the model is asked, by voice or in writing, given what the dialogue has come to."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sandbox.mind import answers
from sandbox.mind.dialogue import Asked, Dialogue
from sandbox.mind.intents import (
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

_SOMETHING = Search("that")


def understand_speech(dialogue: Dialogue, words: str | None, categories: Collection[str]) -> Asked:
    """Return what an utterance asks for, and remember it."""
    return _remembered(dialogue, Asked("answer", parse(words or "", categories)))


def understand_text(dialogue: Dialogue, text: str, categories: Collection[str], *, typed: bool) -> Asked:
    """Return what a text asks for, and remember it.

    Args:
        dialogue: What it has come to.
        text: The text; empty for a request without words.
        categories: The shop's categories.
        typed: True if it came as the caller's words, False if as the application's.
    """
    request = parse(text, categories)
    intent = parse_instruction(text) if request is None else request
    if isinstance(intent, ToolReturned):
        return _remembered(dialogue, _result(dialogue, intent))
    again = dialogue.asked
    if again is not None and (
        isinstance(intent, AnswerAgain) or (not text.strip() and again.intent and dialogue.owes)
    ):
        return again
    return _remembered(dialogue, _asked(dialogue, request, intent, typed=typed))


def read_history(dialogue: Dialogue, text: str, categories: Collection[str]) -> None:
    """Remember a turn of the caller, or of the application in its place."""
    request = parse(text, categories)
    intent = parse_instruction(text) if request is None else request
    if isinstance(intent, ToolReturned):
        dialogue.ask(_result(dialogue, intent))
    else:
        dialogue.ask(_asked(dialogue, request, intent, typed=True))


def _asked(dialogue: Dialogue, request: Intent | None, intent: Intent | None, *, typed: bool) -> Asked:
    if dialogue.greeted or (typed and request is not None):
        return Asked("answer", intent)
    return Asked("greeting", intent or Greet())


def _remembered(dialogue: Dialogue, asked: Asked) -> Asked:
    dialogue.ask(asked)
    return asked


def _result(dialogue: Dialogue, returned: ToolReturned) -> Asked:
    """Return how a tool's result that came as text answers what was asked before it."""
    asked: Intent | None = None if dialogue.asked is None else dialogue.asked.intent
    request = asked if isinstance(asked, Search | Save | Remove) else dialogue.search or _SOMETHING
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
