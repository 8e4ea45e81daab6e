"""A chat completion in the protocol's form: as one object, or as the chunks of a stream.

https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from sandbox.mind.tokens import text_tokens
from sandbox.openai.chat import ChatRequest

FinishReason = Literal["stop", "tool_calls", "length", "content_filter"]

DONE: Final = b"data: [DONE]\n\n"
_ARGUMENTS_PIECE: Final = 8
_TOKENS_OF_MESSAGE: Final = 4
"""github.com/openai/openai-cookbook, How to count tokens: each message has a few of its own."""


class ToolCallMade(msgspec.Struct, frozen=True):
    """A tool call with its id."""

    id: str
    tool: str
    arguments: str


class Completion(msgspec.Struct, frozen=True):
    """What is sent: who answers, and with what.

    Attributes:
        id: The completion's name.
        created: When it was made, in seconds of Unix.
        model: The model's full name.
    """

    id: str
    created: int
    model: str
    text: str
    calls: tuple[ToolCallMade, ...]
    reason: FinishReason


def event(data: dict[str, Any]) -> bytes:
    """Return a server-sent event."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


def chunks(completion: Completion, usage: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    """Yield the stream's chunks; the last one holds the usage, if there is one to send."""
    has_usage = usage is not None
    role = {"role": "assistant", "content": "" if completion.text else None}
    yield _chunk(completion, role, has_usage=has_usage)
    for word in words(completion.text):
        yield _chunk(completion, {"content": word}, has_usage=has_usage)
    for index, call in enumerate(completion.calls):
        for delta in _call_deltas(index, call):
            yield _chunk(completion, {"tool_calls": [delta]}, has_usage=has_usage)
    yield _chunk(completion, {}, completion.reason, has_usage=has_usage)
    if has_usage:
        yield {**_head(completion, "chat.completion.chunk"), "choices": [], "usage": usage}


def whole(completion: Completion, usage: dict[str, Any] | None) -> dict[str, Any]:
    """Return the completion as one object."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
        for call in completion.calls
    ]
    message = {
        "role": "assistant",
        "content": completion.text or None,
        "refusal": None,
        **({"tool_calls": calls} if calls else {}),
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": completion.reason}
    return {**_head(completion, "chat.completion"), "choices": [choice], "usage": usage}


def words(text: str) -> list[str]:
    """Split a text into words, each with the space before it."""
    return re.findall(r"\s*\S+", text)


def usage_of(request: ChatRequest, text: str, calls: Iterable[ToolCallMade]) -> dict[str, Any]:
    """Return what a completion costs."""
    prompt = sum(
        _TOKENS_OF_MESSAGE
        + text_tokens(message.text)
        + sum(text_tokens(call.function.arguments) for call in message.tool_calls or [])
        for message in request.messages
    ) + sum(text_tokens(msgspec.json.encode(tool).decode()) for tool in request.tools or [])
    completion = text_tokens(text) + sum(text_tokens(call.tool + call.arguments) for call in calls)
    return counts(prompt, completion)


def counts(prompt: Any, completion: Any, total: Any = None) -> dict[str, Any]:
    """Return token counts in the protocol's form."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion if total is None else total,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "service_tier": "default",
        "system_fingerprint": "fp_sandbox",
    }


def _chunk(
    completion: Completion, delta: dict[str, Any], reason: FinishReason | None = None, *, has_usage: bool
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    head = _head(completion, "chat.completion.chunk")
    return {**head, "choices": [choice], **({"usage": None} if has_usage else {})}


def _call_deltas(index: int, call: ToolCallMade) -> Iterator[dict[str, Any]]:
    """Yield a call in pieces: first its id and name, then its arguments bit by bit."""
    function = {"name": call.tool, "arguments": ""}
    yield {"index": index, "id": call.id, "type": "function", "function": function}
    for start in range(0, len(call.arguments), _ARGUMENTS_PIECE):
        yield {
            "index": index,
            "function": {"arguments": call.arguments[start : start + _ARGUMENTS_PIECE]},
        }
