"""What a completion says or calls, given the conversation."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from sandbox.mind import answers
from sandbox.mind.answers import Request
from sandbox.mind.dialogue import Asked, Dialogue, TurnKind
from sandbox.mind.intents import Goodbye, Greet, Intent, Recall, Remove, Save, Say, Search
from sandbox.mind.tools import arguments_for, farewell_tool, request_in, tool_named
from sandbox.mind.understanding import read_history, understand_text
from sandbox.openai.chat import ChatMessage, ChatRequest, MadeCall

_IN_PROGRESS = "IN_PROGRESS"
"""What Pipecat has for the result of a tool that still runs."""


class WantedCall(msgspec.Struct, frozen=True):
    """A tool and its arguments, as JSON."""

    tool: str
    arguments: str


class Reply(msgspec.Struct, frozen=True):
    """What the model answers: words, tool calls, or both."""

    turn: TurnKind
    text: str = ""
    calls: tuple[WantedCall, ...] = ()


def reply_to(request: ChatRequest, categories: Collection[str]) -> Reply:
    """Return what the model says or calls next."""
    *history, last = request.messages
    dialogue = Dialogue()
    calls: dict[str, MadeCall] = {}
    for message in history:
        calls |= {call.id: call for call in message.tool_calls or []}
        _remember(dialogue, message, calls, categories)
    if last.role == "tool":
        return Reply("tool_result", _result(last, calls).answer or "")
    text = last.text if last.role in ("user", "developer") else ""
    asked = understand_text(dialogue, text, categories, typed=last.role == "user")
    return _reply(request, dialogue, asked)


def _reply(request: ChatRequest, dialogue: Dialogue, asked: Asked) -> Reply:
    if asked.answer is not None:
        return Reply(asked.kind, asked.answer)
    match asked.intent:
        case Search() | Save() | Remove():
            return _call(request, asked.kind, asked.intent)
        case Goodbye():
            tool = farewell_tool(request.declared)
            return Reply(asked.kind, answers.FAREWELL, () if tool is None else (WantedCall(tool, "{}"),))
        case _:
            return Reply(asked.kind, _words_for(dialogue, asked.intent))


def _words_for(dialogue: Dialogue, intent: Intent | None) -> str:
    match intent:
        case Say():
            return intent.text
        case Greet():
            return answers.GREETING
        case Recall():
            return answers.recalled(dialogue.search)
        case _:
            return answers.SORRY


def _call(request: ChatRequest, turn: TurnKind, intent: Request) -> Reply:
    tool = request.declared.get(tool_named(intent))
    if tool is None:
        return Reply(turn, answers.NO_TOOL)
    arguments = arguments_for(intent, tool.parameter_names)
    return Reply(turn, calls=(WantedCall(tool.name, msgspec.json.encode(arguments).decode()),))


def _remember(
    dialogue: Dialogue, message: ChatMessage, calls: dict[str, MadeCall], categories: Collection[str]
) -> None:
    match message.role:
        case "user" | "developer":
            if message.text.strip():
                read_history(dialogue, message.text, categories)
        case "assistant" if message.text:
            dialogue.greeted = True
            dialogue.answer()
        case "tool":
            dialogue.ask(_result(message, calls))
        case _:
            pass


def _result(message: ChatMessage, calls: dict[str, MadeCall]) -> Asked:
    """Return how a tool's result answers what the tool was called for.

    Nothing follows the result of a farewell's tool: the farewell came with the call.
    """
    function = calls[message.tool_call_id or ""].function
    request = request_in(function.name, _object(function.arguments))
    if request is None:
        return Asked("tool_result", None, "" if farewell_tool([function.name]) else answers.SORRY)
    if message.text == _IN_PROGRESS:
        return Asked("tool_result", request, answers.ONE_MOMENT)
    return Asked("tool_result", request, answers.answer_from(request, _response(message.text)))


def _response(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"value": value}


def _object(text: str) -> dict[str, Any]:
    value = _response(text)
    return {} if "value" in value else value
