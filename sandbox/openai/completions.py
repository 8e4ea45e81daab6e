"""Chat completions: what is answered, and how it is sent."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from aiohttp import web

from sandbox.openai.chat import ChatRequest
from sandbox.openai.chunks import (
    DONE,
    Completion,
    FinishReason,
    ToolCallMade,
    chunks,
    counts,
    event,
    usage_of,
    whole,
    words,
)
from sandbox.openai.delivery import Delivery
from sandbox.openai.models import full_name
from sandbox.openai.orders import (
    BadArguments,
    EmptyCompletion,
    EndedEarly,
    ErrorInStream,
    OpenAIMisbehaviour,
    OpenAINonsense,
    RepeatedCallId,
    UndeclaredTool,
    WrongUsageReport,
)
from sandbox.openai.refusals import failed
from sandbox.openai.replies import Reply, WantedCall

_WORD_SECONDS: Final = 0.01
"""How long a word takes, so that a client can cut an answer short."""

_HALF_A_CHUNK: Final = b'data: {"id": "chatcmpl-\n\n'


async def complete(
    request: ChatRequest, reply: Reply, delivery: Delivery, created: int
) -> web.StreamResponse:
    """Send the completion of a conversation."""
    completion = _completion(request, reply, delivery.order, created)
    usage = _usage(request, completion, delivery.order)
    record = delivery.record
    record.heard = request.messages[-1].text
    record.tool_calls = [call.tool for call in completion.calls]
    if request.stream:
        record.usage = usage if request.includes_usage else None
        return await _stream(completion, record.usage, delivery)
    record.said, record.usage = completion.text, usage
    return await delivery.send_json(whole(completion, usage))


async def _stream(
    completion: Completion, usage: dict[str, Any] | None, delivery: Delivery
) -> web.StreamResponse:
    await delivery.begin("text/event-stream")
    beginning, *rest = chunks(completion, usage)
    # The first chunk holds no words yet: the first piece is the one that does.
    first, *others = rest
    await _send(delivery, first, event(beginning))
    fault = _fault_after_first_word(delivery.order)
    if fault is not None:
        await delivery.send(fault)
        return await delivery.end()
    for chunk in others:
        await _send(delivery, chunk)
    await delivery.send(DONE)
    return await delivery.end()


async def _send(delivery: Delivery, chunk: dict[str, Any], before: bytes = b"") -> None:
    word = "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
    delivery.record.said += word
    await delivery.send(before + event(chunk))
    if word:
        await delivery.pause(_WORD_SECONDS)


def _fault_after_first_word(order: OpenAIMisbehaviour | None) -> bytes | None:
    match order:
        case ErrorInStream():
            return event(failed(500).body)
        case OpenAINonsense():
            return _HALF_A_CHUNK
        case _:
            return None


def _completion(
    request: ChatRequest, reply: Reply, order: OpenAIMisbehaviour | None, created: int
) -> Completion:
    text, calls = reply.text, reply.calls
    reason: FinishReason = "tool_calls" if calls else "stop"
    match order:
        case EmptyCompletion():
            text, calls, reason = "", (), "stop"
        case EndedEarly():
            text, calls, reason = "".join(words(text)[:1]), (), order.reason
    return Completion(
        id=f"chatcmpl-{secrets.token_hex(12)}",
        created=created,
        model=full_name(request.model),
        text=text,
        calls=tuple(_made(request, calls, order)),
        reason=reason,
    )


def _made(
    request: ChatRequest, calls: tuple[WantedCall, ...], order: OpenAIMisbehaviour | None
) -> Iterator[ToolCallMade]:
    for call in calls:
        made = ToolCallMade(f"call_{secrets.token_hex(12)}", call.tool, call.arguments)
        match order:
            case BadArguments():
                yield msgspec.structs.replace(made, arguments=order.text)
            case UndeclaredTool():
                yield msgspec.structs.replace(made, tool=order.tool)
            case RepeatedCallId(how="earlier"):
                yield msgspec.structs.replace(made, id=_first_call_id(request) or made.id)
            case RepeatedCallId():
                yield made
                yield made
            case _:
                yield made


def _first_call_id(request: ChatRequest) -> str | None:
    return next((call.id for message in request.messages for call in message.tool_calls or []), None)


def _usage(
    request: ChatRequest, completion: Completion, order: OpenAIMisbehaviour | None
) -> dict[str, Any] | None:
    if isinstance(order, WrongUsageReport):
        return None if order.tokens is None else counts(order.tokens, order.tokens, order.tokens)
    return usage_of(request, completion.text, completion.calls)
