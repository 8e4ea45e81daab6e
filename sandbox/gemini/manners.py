"""Manners that can be ordered of the model: what its messages are like, in which turns and calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from sandbox.gemini.faults import Bytes, Count, Fault, OfTurn, Seconds

Content = Literal[
    "everything",
    "setup",
    "audio",
    "input_transcription",
    "output_transcription",
    "generation_complete",
    "turn_complete",
    "interrupted",
    "usage",
    "tool_call",
    "tool_call_cancellation",
    "resumption_update",
    "go_away",
]
"""What a message of the model's holds."""

PartKind = Literal["thought", "text", "audio", "function_call"]

Contents = Annotated[list[Content], msgspec.Meta(min_length=1)]


class Manner(OfTurn, frozen=True, kw_only=True):
    """Something that the model does in a certain way."""


class OfTurns(Manner, frozen=True, kw_only=True):
    """A manner of whole turns.

    Attributes:
        turns: In how many turns of the connection; None for all.
    """

    turns: Count | None = None


class OfCalls(Manner, frozen=True, kw_only=True):
    """A manner of tool calls.

    Attributes:
        calls: In how many tool calls of the connection; None for all.
    """

    calls: Count | None = 1


class EmptyTurn(OfTurns, frozen=True):
    """Answers with `turnComplete` alone, after the transcription of what was heard; calls no tool."""


class Thoughts(OfTurns, frozen=True, kw_only=True):
    """Sends a thought every few seconds before it answers: this many, or endlessly."""

    every_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=600)] = 5.0
    count: Count | None = None


class WrongAudio(OfTurns, frozen=True, kw_only=True):
    """Sends other audio than it should.

    Attributes:
        sound: What is heard, for as long as the answer would be.
        amplitude: How loud it is, unless it is speech or zeros. A whisper is speech whose full scale this is.
        rate: Samples per second.
        mime_type: What the message says that it is, if not PCM of that rate.
        odd_bytes: Cuts each message's audio in two, in the middle of a sample.
        chunk_seconds: Length of the audio in one message; by default 0.04.
        from_seconds: Where in the turn's audio this begins.
        until_seconds: Where it ends.
    """

    sound: Literal["speech", "whisper", "zeros", "noise", "tone", "offset", "click"] = "speech"
    amplitude: Annotated[int, msgspec.Meta(ge=0, le=32_767)] = 40
    rate: Annotated[int, msgspec.Meta(ge=1000, le=192_000)] = 24_000
    mime_type: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    odd_bytes: bool = False
    chunk_seconds: Annotated[float, msgspec.Meta(ge=0.001, le=600)] | None = None
    from_seconds: Seconds = 0.0
    until_seconds: Seconds | None = None


class SeveralParts(OfTurns, frozen=True, kw_only=True, tag="parts"):
    """Sends audio, and a tool call if `function_call` is listed, as these parts of one `modelTurn`.

    Attributes:
        order: The parts. Several of audio share what the message holds.
        repeat_call: Sends the call as a message of its own as well.
    """

    order: Annotated[list[PartKind], msgspec.Meta(min_length=1, max_length=100)]
    repeat_call: bool = False


class Withheld(OfTurns, frozen=True, kw_only=True):
    """Never sends these, or not once the turn's audio has lasted this long."""

    what: Contents
    after_audio_seconds: Seconds = 0.0


class Delayed(OfTurns, frozen=True, kw_only=True):
    """Sends these later than what follows them."""

    what: Contents
    seconds: Seconds


class Repeated(OfTurns, frozen=True, kw_only=True):
    """Sends these twice."""

    what: Contents


class LongTranscriptions(OfTurns, frozen=True, kw_only=True):
    """Makes each transcription this long."""

    bytes: Bytes


class WrongUsage(OfTurns, frozen=True, kw_only=True):
    """Gives this for every count of tokens."""

    tokens: Any


class UsageApart(OfTurns, frozen=True):
    """Sends the prompt's usage before `turnComplete`, the answer's after it, each in its own message."""


class UnknownMessages(OfTurns, frozen=True, kw_only=True):
    """Adds unknown fields to each message; unless `only_fields`, an unknown message follows."""

    only_fields: bool = False


class NoResumptionHandles(OfTurns, frozen=True, kw_only=True):
    """Gives no handles, or updates that say that the session can't be resumed."""

    says_so: bool = False


class Amnesia(Manner, frozen=True):
    """Accepts a handle, but has forgotten the conversation."""


class ToolCallCancellation(OfCalls, frozen=True, kw_only=True):
    """Cancels the call, and says nothing in that turn; if its result has come, it answers anyway.

    Attributes:
        after_result: Cancels the call once its result has come.
        delay_seconds: How long after the call, or its result.
        id: Cancels this id instead, and the call goes on.
    """

    after_result: bool = False
    delay_seconds: Seconds = 0.0
    id: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


class WrongToolArguments(OfCalls, frozen=True, kw_only=True):
    """Calls the tool with these arguments."""

    arguments: Any


class UnknownTool(OfCalls, frozen=True, kw_only=True):
    """Calls a tool that was not declared instead."""

    tool: str = "order_pizza"


class RepeatedToolCall(OfCalls, frozen=True, kw_only=True):
    """Makes the call twice with one id: in two messages, in one, or again after the turn."""

    how: Literal["two_messages", "one_message", "after_turn"] = "two_messages"


class WrongToolCallId(OfCalls, frozen=True, kw_only=True):
    """Makes the call with an id of this length, or without one."""

    length: Annotated[int, msgspec.Meta(ge=0, le=1024 * 1024)] | None = None


ModelOrder = (
    Fault
    | EmptyTurn
    | Thoughts
    | WrongAudio
    | SeveralParts
    | Withheld
    | Delayed
    | Repeated
    | LongTranscriptions
    | WrongUsage
    | UsageApart
    | UnknownMessages
    | NoResumptionHandles
    | Amnesia
    | ToolCallCancellation
    | WrongToolArguments
    | UnknownTool
    | RepeatedToolCall
    | WrongToolCallId
)
"""Faults and manners. A connection has all manners that are ordered when it is made."""
