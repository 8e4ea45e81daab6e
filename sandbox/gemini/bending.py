"""What a manner makes of a message on its way out. Pure."""

from __future__ import annotations

import base64
import math
from functools import singledispatch
from typing import Any, Final, cast

import numpy as np

from sandbox.gemini.manners import (
    Content,
    Delayed,
    LongTranscriptions,
    Manner,
    NoResumptionHandles,
    Repeated,
    RepeatedToolCall,
    SeveralParts,
    UnknownMessages,
    UnknownTool,
    UsageApart,
    Withheld,
    WrongAudio,
    WrongToolArguments,
    WrongUsage,
)
from sandbox.gemini.server_messages import audio_part, model_turn, tool_calls_of
from sandbox.gemini.sounds import sounding, tone
from sandbox.gemini.speech import SPEAKING_RATE
from sandbox.gemini.usage import Spent, sane_spent_in, usage_metadata
from sandbox.voice import Samples, resample

Message = dict[str, Any]
Outgoing = tuple[Message, float]
"""A message, and how many seconds later than now it is sent."""

THOUGHT: Final[Message] = {"text": "I wonder what to say.", "thought": True}
_TEXT: Final[Message] = {"text": "One moment, please."}
_UNKNOWN: Final[Message] = {"moodUpdate": {"mood": "cheerful"}}

_FIELDS: Final[dict[Content, tuple[str, ...]]] = {
    "setup": ("setupComplete",),
    "audio": ("serverContent", "modelTurn"),
    "input_transcription": ("serverContent", "inputTranscription"),
    "output_transcription": ("serverContent", "outputTranscription"),
    "generation_complete": ("serverContent", "generationComplete"),
    "turn_complete": ("serverContent", "turnComplete"),
    "interrupted": ("serverContent", "interrupted"),
    "usage": ("usageMetadata",),
    "tool_call": ("toolCall",),
    "tool_call_cancellation": ("toolCallCancellation",),
    "resumption_update": ("sessionResumptionUpdate",),
    "go_away": ("goAway",),
}


def bend(manner: Manner, outgoing: Outgoing, audio_seconds: float) -> list[Outgoing]:
    """Return what is sent instead of a message, `audio_seconds` into the turn's audio."""
    message, delay = outgoing
    if isinstance(manner, Delayed):
        rest, taken = _split(message, manner.what)
        return [each for each in ((rest, delay), (taken, delay + manner.seconds)) if each[0]]
    return [(bent, delay) for bent in _bent(manner, message, audio_seconds)]


def holds(message: Message, content: Content) -> bool:
    """Return whether a message holds this."""
    *outer, name = _FIELDS[content]
    for key in outer:
        message = message.get(key, {})
    return name in message


def blobs_of(message: Message) -> list[dict[str, str]]:
    """Return the pieces of audio in a message."""
    return [part["inlineData"] for part in _parts_of(message) if "inlineData" in part]


@singledispatch
def _bent(_manner: Manner, message: Message, _audio_seconds: float) -> list[Message]:
    """Return the messages that a manner makes of one. By default it leaves the message as it is."""
    return [message]


@_bent.register
def _(manner: Withheld, message: Message, audio_seconds: float) -> list[Message]:
    if audio_seconds < manner.after_audio_seconds:
        return [message]
    rest, _taken = _split(message, manner.what)
    return [rest] if rest else []


@_bent.register
def _(manner: NoResumptionHandles, message: Message, _audio_seconds: float) -> list[Message]:
    if "sessionResumptionUpdate" not in message:
        return [message]
    return [{"sessionResumptionUpdate": {"resumable": False}}] if manner.says_so else []


@_bent.register
def _(manner: Repeated, message: Message, _audio_seconds: float) -> list[Message]:
    _rest, taken = _split(message, manner.what)
    return [message, taken] if taken else [message]


@_bent.register
def _(manner: UnknownMessages, message: Message, _audio_seconds: float) -> list[Message]:
    strange = {name: {**value, **_UNKNOWN} for name, value in message.items()}
    return [{**strange, **_UNKNOWN}, *([] if manner.only_fields else [_UNKNOWN])]


def _split(message: Message, contents: list[Content]) -> tuple[Message, Message]:
    """Return a message without these contents, and the contents alone."""
    if "everything" in contents:
        return {}, message
    rest: Message = {name: dict(value) for name, value in message.items()}
    taken: Message = {}
    for content in contents:
        if holds(message, content):
            _move(_FIELDS[content], rest, taken)
    return rest, taken


def _move(path: tuple[str, ...], source: Message, target: Message) -> None:
    """Move a field from one message to another, and leave no empty object behind."""
    name, *rest = path
    if not rest:
        target[name] = source.pop(name)
        return
    _move(tuple(rest), source[name], target.setdefault(name, {}))
    if not source[name]:
        del source[name]


def _parts_of(message: Message) -> list[Message]:
    parts = message.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
    return cast("list[Message]", parts)


@_bent.register
def _(manner: WrongAudio, message: Message, audio_seconds: float) -> list[Message]:
    blobs = blobs_of(message)
    until = math.inf if manner.until_seconds is None else manner.until_seconds
    if not blobs or not manner.from_seconds <= audio_seconds < until:
        return [message]
    mime_type = f"audio/pcm;rate={manner.rate}" if manner.mime_type is None else manner.mime_type
    data = [
        resample(sounding(manner, _samples(blob), audio_seconds), SPEAKING_RATE, manner.rate).tobytes()
        for blob in blobs
    ]
    if not manner.odd_bytes:
        return [_with_blobs(message, [_blob(each, mime_type) for each in data])]
    halves = [(each[: len(each) // 4 * 2 + 1], each[len(each) // 4 * 2 + 1 :]) for each in data]
    return [
        _with_blobs(message, [_blob(half, mime_type) for half in each]) for each in zip(*halves, strict=True)
    ]


@_bent.register
def _(manner: SeveralParts, message: Message, _audio_seconds: float) -> list[Message]:
    calls = tool_calls_of(message)
    if calls and "function_call" in manner.order:
        audio = tone()
        built = [part for kind in manner.order for part in _call_parts(kind, calls, audio)]
        return [model_turn(built), *([message] if manner.repeat_call else [])]
    blobs = blobs_of(message)
    if not blobs:
        return [message]
    mime_type = blobs[0]["mimeType"]
    samples = np.concatenate([_samples(blob) for blob in blobs])
    pieces = iter(np.array_split(samples, max(1, manner.order.count("audio"))))
    built = [
        {"inlineData": _blob(next(pieces).tobytes(), mime_type)} if kind == "audio" else _words(kind)
        for kind in manner.order
        if kind != "function_call"
    ]
    return [model_turn(built)]


def _call_parts(kind: str, calls: list[Message], audio: Samples) -> list[Message]:
    if kind == "function_call":
        return [{"functionCall": call} for call in calls]
    return [audio_part(audio, SPEAKING_RATE) if kind == "audio" else _words(kind)]


def _words(kind: str) -> Message:
    return THOUGHT if kind == "thought" else _TEXT


def _samples(blob: dict[str, str]) -> Samples:
    data = base64.b64decode(blob["data"])
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


def _blob(data: bytes, mime_type: str) -> dict[str, str]:
    return {"mimeType": mime_type, "data": base64.b64encode(data).decode()}


def _with_blobs(message: Message, blobs: list[dict[str, str]]) -> Message:
    """Return a message with its audio replaced."""
    fresh = iter(blobs)
    return model_turn(
        [{"inlineData": next(fresh)} if "inlineData" in part else part for part in _parts_of(message)]
    )


@_bent.register
def _(manner: LongTranscriptions, message: Message, _audio_seconds: float) -> list[Message]:
    content = message.get("serverContent", {})
    longer = {
        name: {"text": (f"{content[name]['text']} " * manner.bytes)[: manner.bytes]}
        for name in ("inputTranscription", "outputTranscription")
        if name in content
    }
    return [{**message, "serverContent": {**content, **longer}} if longer else message]


@_bent.register
def _(manner: WrongUsage, message: Message, _audio_seconds: float) -> list[Message]:
    if "usageMetadata" not in message:
        return [message]
    return [{**message, "usageMetadata": _counting(message["usageMetadata"], manner.tokens)}]


def _counting(value: Any, tokens: Any) -> Any:
    """Return the same structure with each count replaced."""
    match value:
        case dict():
            return {name: _counting(inner, tokens) for name, inner in cast("Message", value).items()}
        case list():
            return [_counting(inner, tokens) for inner in value]
        case int():
            return tokens
        case _:
            return value


@_bent.register
def _(_manner: UsageApart, message: Message, _audio_seconds: float) -> list[Message]:
    if "usageMetadata" not in message:
        return [message]
    spent = sane_spent_in(message["usageMetadata"])
    prompt = Spent(prompt_text=spent.prompt_text, prompt_audio=spent.prompt_audio)
    response = Spent(response_audio=spent.response_audio)
    rest = {name: value for name, value in message.items() if name != "usageMetadata"}
    return [{"usageMetadata": usage_metadata(prompt)}, rest, {"usageMetadata": usage_metadata(response)}]


@_bent.register
def _(manner: WrongToolArguments, message: Message, _audio_seconds: float) -> list[Message]:
    return [_with_tool_calls(message, args=manner.arguments)]


@_bent.register
def _(manner: UnknownTool, message: Message, _audio_seconds: float) -> list[Message]:
    return [_with_tool_calls(message, name=manner.tool)]


@_bent.register
def _(manner: RepeatedToolCall, message: Message, _audio_seconds: float) -> list[Message]:
    calls = tool_calls_of(message)
    match manner.how:
        case "two_messages" if calls:
            return [message, message]
        case "one_message" if calls:
            return [{"toolCall": {"functionCalls": [*calls, *calls]}}]
        case _:
            return [message]


def _with_tool_calls(message: Message, **changed: Any) -> Message:
    calls = tool_calls_of(message)
    return {"toolCall": {"functionCalls": [{**call, **changed} for call in calls]}} if calls else message
