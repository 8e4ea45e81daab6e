"""The ways in which the model can be ordered to misbehave: what goes wrong, when, and in whose call."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from sandbox.gemini.wire import WRONG_ARGUMENT
from sandbox.misbehaviour import Misbehaviour

Moment = Literal[
    "connect",
    "setup",
    "turn_start",
    "audio",
    "tool_call",
    "tool_response",
    "tool_call_cancellation",
    "interrupted",
    "speech",
    "generation_complete",
    "turn_complete",
    "resumption_update",
]
"""The client's setup has come, or it was answered; the model begins a turn, and has sent nothing of it; it
has just sent the turn's first audio, a tool call, a cancellation, an interruption, an end or a handle; a
tool's result has just come; the caller begins to speak."""

TurnKind = Literal["any", "greeting", "answer", "tool_result"]
"""The model speaks first, answers the caller, or goes on with a tool's result."""

Content = Literal[
    "everything",
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

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=64 * 1024 * 1024)]
Contents = Annotated[list[Content], msgspec.Meta(min_length=1)]

INTERNAL: Final = 1011
"""WebSocket close code with which Google says that its own side, or the quota, is at fault."""

CUT: Final = 1006
"""No close code: RFC 6455 has it stand for a connection that broke."""

_CLOSE_REASONS: Final = {1001: "Going away", INTERNAL: "Internal error encountered."}

_STATUS_SENTENCES: Final = {
    429: (
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
}


class Aimed(Misbehaviour, frozen=True, kw_only=True):
    """What every order of the model may say about the calls that it concerns.

    Attributes:
        conversation: Whose call: the caller of this conversation, also where a reconnect began another one.
        instruction: Whose call: the caller whose system instruction contains this text, also one yet to come.
        connection: Which connections: those that open anew, those that come with a handle, or all.
    """

    conversation: str | None = None
    instruction: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)] | None = None
    connection: Literal["any", "fresh", "resumed"] = "any"


class _AtConnect(Aimed, frozen=True, kw_only=True):
    def __post_init__(self) -> None:
        if self.now:
            raise ValueError(f"{self.name} can only meet sessions that are about to connect")


class _BeforeSetup(_AtConnect, frozen=True, kw_only=True):
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.connection != "any":
            raise ValueError(f"{self.name} comes before the client has shown a handle")


class Unreachable(_BeforeSetup, frozen=True):
    """Resets the connection before TLS."""


class HttpStatus(_BeforeSetup, frozen=True, kw_only=True):
    """Answers the request for a socket with a status, in Google's words or with this message."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    message: Annotated[str, msgspec.Meta(max_length=1000)] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """Google's error document."""
        title, sentence = _STATUS_SENTENCES.get(self.status, ("INTERNAL", "Internal error encountered."))
        message = sentence if self.message is None else self.message
        return {"error": {"code": self.status, "message": message, "status": title}}


class AcceptAndHang(_AtConnect, frozen=True):
    """Never answers the setup."""


class RefuseKey(Aimed, frozen=True, kw_only=True):
    """Closes because the key is not valid (1007), or was reported as leaked (1008)."""

    code: Literal[1007, 1008] = 1007

    @property
    def sentence(self) -> str:
        if self.code == WRONG_ARGUMENT:
            return "API key not valid. Please pass a valid API key."
        return "Your API key was reported as leaked. Please use another API key."


class RefuseQuota(Aimed, frozen=True, kw_only=True):
    """Closes because the quota is exceeded; with `now`, in mid-call."""

    code: Literal[1011] = 1011
    sentence = "You exceeded your current quota, please check your plan and billing details."


class RefuseSetup(Aimed, frozen=True, kw_only=True):
    """Closes because an argument is invalid."""

    code: Literal[1007] = 1007
    sentence = "Request contains an invalid argument."


class _OfTurn(Aimed, frozen=True, kw_only=True):
    """Something that goes wrong in certain turns of the model.

    Attributes:
        turn: In turns of this kind.
        utterance: In turns that answer the caller's utterance of this number; the greeting's is 0.
    """

    turn: TurnKind = "any"
    utterance: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


class AtMoment(_OfTurn, frozen=True, kw_only=True):
    """Something that goes wrong once in a connection.

    Attributes:
        after: At this moment.
        delay_seconds: This long after the moment, whatever has happened since.
    """

    after: Moment = "setup"
    delay_seconds: Seconds = 0.0


class Drop(AtMoment, frozen=True, kw_only=True):
    """Cuts the connection (1006), or closes it with a code and a reason."""

    code: Annotated[int, msgspec.Meta(ge=1000, le=4999)] = CUT
    reason: Annotated[str, msgspec.Meta(max_length=1000)] | None = None

    def __post_init__(self) -> None:
        if self.code in {1004, 1005, 1015} or 1015 < self.code < 3000:
            raise ValueError(f"no close frame may hold the code {self.code}")

    @property
    def sentence(self) -> str:
        return _CLOSE_REASONS.get(self.code, "") if self.reason is None else self.reason


class GoAway(AtMoment, frozen=True, kw_only=True):
    """Announces that the connection ends, and closes it when the time is over."""

    time_left_seconds: Seconds


class Stall(AtMoment, frozen=True, kw_only=True):
    """Says nothing more, and reads everything; or nothing, so that the client's socket fills up."""

    reads: bool = True


class Nonsense(AtMoment, frozen=True):
    """Sends an empty message, an unknown one, half of one, and one that is no text."""


class HugeMessage(AtMoment, frozen=True, kw_only=True):
    """Sends a thought of this many bytes in one message."""

    bytes: Bytes


class WithholdPongs(AtMoment, frozen=True):
    """Answers no more pings."""


class Manner(_OfTurn, frozen=True, kw_only=True):
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
    """Sends a thought every few seconds before it answers: this many, or for ever."""

    every_seconds: Annotated[float, msgspec.Meta(ge=0.01, le=600)] = 5.0
    count: Count | None = None


class WrongAudio(OfTurns, frozen=True, kw_only=True):
    """Sends other audio than it should.

    Attributes:
        sound: What is heard, for as long as the answer would be.
        amplitude: How loud it is, unless it is speech or zeros.
        rate: Samples per second.
        mime_type: What it is said to be, if not PCM of that rate.
        odd_bytes: Cuts each message's audio in two, in the middle of a sample.
        chunk_seconds: Length of the audio in one message; by default 0.04.
    """

    sound: Literal["speech", "zeros", "noise", "tone", "offset", "click"] = "speech"
    amplitude: Annotated[int, msgspec.Meta(ge=0, le=32_767)] = 40
    rate: Annotated[int, msgspec.Meta(ge=1000, le=192_000)] = 24_000
    mime_type: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    odd_bytes: bool = False
    chunk_seconds: Annotated[float, msgspec.Meta(ge=0.001, le=600)] | None = None


class Parts(OfTurns, frozen=True, kw_only=True):
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


class NoResumptionHandles(OfTurns, frozen=True):
    """Gives no handles."""


class Amnesia(Manner, frozen=True):
    """Takes a handle, and has forgotten the conversation."""


class ToolCallCancellation(OfCalls, frozen=True, kw_only=True):
    """Cancels the call, and says nothing in that turn; after its result, it answers all the same.

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


Refusal = RefuseKey | RefuseQuota | RefuseSetup
Momentary = Drop | GoAway | Stall | Nonsense | HugeMessage | WithholdPongs
Fault = Unreachable | HttpStatus | AcceptAndHang | Refusal | Momentary
"""Spoils a connection. Of those that wait, each connection takes one."""

ModelOrder = (
    Fault
    | EmptyTurn
    | Thoughts
    | WrongAudio
    | Parts
    | Withheld
    | Delayed
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
