"""Faults that can be ordered of the model: in which call, at which moment, and what happens then."""

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
"""The client's setup has come, or was answered; the model begins a turn, and has sent nothing of it; it
has just sent the turn's first audio, a tool call, a cancellation, an interruption, an end or a handle; a
tool's result has just come; the caller begins to speak."""

TurnChoice = Literal["any", "greeting", "answer", "tool_result"]
"""All turns, or those in which the model speaks first, answers the caller, or answers a tool's result."""

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=64 * 1024 * 1024)]

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
    """An order for the model, with the calls that it applies to.

    Attributes:
        conversation: Only for the caller of this conversation, also after a reconnect that began another one.
        instruction: Only for the caller whose system instruction contains this text, even one who connects
            later.
        connection: Which connections: those that begin anew, those that resume with a handle, or all.
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


class OfTurn(Aimed, frozen=True, kw_only=True):
    """Something that goes wrong in certain turns of the model.

    Attributes:
        turn: In turns of this kind, in which the model speaks first, answers the caller or calls a tool for
            them, or continues after the tool's result.
        utterance: In turns that answer the caller's utterance of this number; the greeting's is 0.
    """

    turn: TurnChoice = "any"
    utterance: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None


class AtMoment(OfTurn, frozen=True, kw_only=True):
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
    """Says nothing more. Still reads everything, or nothing, so that the client's socket fills up."""

    reads: bool = True


class Nonsense(AtMoment, frozen=True):
    """Sends an empty message, an unknown one, half of one, and one that is not text."""


class HugeMessage(AtMoment, frozen=True, kw_only=True):
    """Sends a thought of this many bytes in one message."""

    bytes: Bytes


class FalseInterruption(AtMoment, frozen=True):
    """Says that it was interrupted, but goes on."""


class WithholdPongs(AtMoment, frozen=True):
    """Answers no more pings."""


Refusal = RefuseKey | RefuseQuota | RefuseSetup
Momentary = Drop | GoAway | Stall | Nonsense | HugeMessage | FalseInterruption | WithholdPongs
Fault = Unreachable | HttpStatus | AcceptAndHang | Refusal | Momentary
"""Spoils a connection. Of several that wait, each connection takes one."""
