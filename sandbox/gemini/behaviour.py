"""The ways in which the model can be ordered to misbehave, and what they do to its messages."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, assert_never

import msgspec

from sandbox.gemini.usage import Spent, spent_in, usage_metadata
from sandbox.gemini.wire import WRONG_ARGUMENT, tool_calls_of
from sandbox.misbehaviour import Misbehaviour, Orders

Message = dict[str, Any]
Moment = Literal["setup", "audio", "tool_call"]
"""What the model has just sent: its answer to the setup, a session's first audio, or a tool call."""

_INTERNAL: Final = 1011
"""WebSocket close code with which Google says that its own side, or the quota, is at fault."""

_CUT_SENTENCES: Final = {1001: "Going away", _INTERNAL: "Internal error encountered."}

NONSENSE: Final[tuple[bytes, ...]] = (
    b"",
    b'{"sense": null}',
    b'{"serverContent": {"modelTurn": [',
    b"\xff\x00",
)
"""An empty message, an unknown one, half of one, and one that is not text."""


_UNKNOWN: Final[Message] = {"moodUpdate": {"mood": "cheerful"}}


class _BeforeSession(Misbehaviour, frozen=True):
    def __post_init__(self) -> None:
        if self.now:
            raise ValueError(f"{self.name} can only meet sessions that are about to connect")


class Unreachable(_BeforeSession, frozen=True):
    """The connection is reset as soon as it is made, before TLS."""


class HttpStatus(_BeforeSession, frozen=True, kw_only=True):
    """The request to open a socket is answered with a status."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]


class AcceptAndHang(_BeforeSession, frozen=True):
    """The setup is never answered."""


class RefuseKey(Misbehaviour, frozen=True, kw_only=True):
    """The key is not valid (1007), or was reported as leaked (1008)."""

    code: Literal[1007, 1008] = 1007

    @property
    def sentence(self) -> str:
        if self.code == WRONG_ARGUMENT:
            return "API key not valid. Please pass a valid API key."
        return "Your API key was reported as leaked. Please use another API key."


class RefuseQuota(Misbehaviour, frozen=True, kw_only=True):
    code: Literal[1011] = 1011
    sentence = "You exceeded your current quota, please check your plan and billing details."


class RefuseSetup(Misbehaviour, frozen=True, kw_only=True):
    code: Literal[1007] = 1007
    sentence = "Request contains an invalid argument."


class _AtMoment(Misbehaviour, frozen=True, kw_only=True):
    """Happens right after the model has sent this for the first time."""

    after: Moment = "setup"


class Drop(_AtMoment, frozen=True, kw_only=True):
    """The connection is cut: without a word (1006), or with a close code."""

    code: Literal[1001, 1006, 1011] = 1006

    @property
    def sentence(self) -> str:
        return _CUT_SENTENCES[self.code]


class GoAway(_AtMoment, frozen=True, kw_only=True):
    """The model announces that it closes the connection, and does when the time is over."""

    time_left_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Stall(_AtMoment, frozen=True, kw_only=True):
    """The model falls silent, and reads everything."""


class Nonsense(_AtMoment, frozen=True, kw_only=True):
    """The model sends what is no message of the protocol."""


class UnknownMessages(Misbehaviour, frozen=True, kw_only=True):
    """Each message has unknown fields; unless `only_fields`, an unknown message follows."""

    only_fields: bool = False


class ToolCallCancellation(Misbehaviour, frozen=True):
    """The session's next tool call is cancelled as soon as it is made."""


class WrongToolArguments(Misbehaviour, frozen=True, kw_only=True):
    """The session's next tool call has these arguments."""

    arguments: dict[str, Any]


class UnknownTool(Misbehaviour, frozen=True, kw_only=True):
    """The session's next tool call is for a tool the client has not declared."""

    tool: str = "order_pizza"


class UsageApart(Misbehaviour, frozen=True):
    """Usage comes in messages of its own: the prompt's before the turn is complete, the answer's after it."""


class NoResumptionHandles(Misbehaviour, frozen=True):
    """The session can't be resumed."""


Refusal = RefuseKey | RefuseQuota | RefuseSetup
Fault = Unreachable | HttpStatus | AcceptAndHang | Refusal | Drop | GoAway | Stall | Nonsense
"""Spoils a connection. A connection has one at most; several that were ordered meet one after the other."""

Manner = (
    UnknownMessages
    | ToolCallCancellation
    | WrongToolArguments
    | UnknownTool
    | UsageApart
    | NoResumptionHandles
)
"""Colours what the model sends. A connection has all that are ordered when it is made."""

ModelOrders = Orders[Fault | Manner]


class Behaviour(msgspec.Struct):
    """What one session gets wrong: nothing, unless it was ordered."""

    fault: Fault | None = None
    manners: list[Manner] = []

    @property
    def names(self) -> list[str]:
        orders = [*self.manners, *([] if self.fault is None else [self.fault])]
        return [order.name for order in orders]

    def order(self, order: Fault | Manner) -> None:
        """Get something else wrong as well, in a session that goes on."""
        if isinstance(order, Manner):
            self.manners.append(order)
        else:
            self.fault = order

    def bend(self, message: Message) -> list[Message]:
        """Return what is sent instead of a message."""
        messages = [message]
        for manner in self.manners:
            messages = [bent for message in messages for bent in _bent(manner, message)]
        if "toolCall" in message:
            self._forget(WrongToolArguments | UnknownTool)
        return messages

    def due_after(self, message: Message) -> Fault | None:
        """Return the fault that is due now that a message was sent; each is due once."""
        fault = self.fault
        if isinstance(fault, _AtMoment) and fault.after == _moment(message):
            self.fault = None
            return fault
        return None

    def cancels_tool_call(self) -> bool:
        """Whether the tool call that was just made is cancelled."""
        return self._forget(ToolCallCancellation)

    def _forget(self, kind: Any) -> bool:
        kept = [manner for manner in self.manners if not isinstance(manner, kind)]
        found = len(kept) < len(self.manners)
        self.manners = kept
        return found


def is_met(fault: Fault) -> bool:
    """Whether the moment of a fault that is ordered for now is now: a session is past its setup."""
    return not isinstance(fault, _AtMoment) or fault.after == "setup"


def no_orders() -> ModelOrders:
    """A list of orders for the model, without any."""
    return Orders(Fault | Manner)


def next_behaviour(orders: ModelOrders) -> Behaviour:
    """How the session behaves that is about to connect."""
    fault = orders.take(lambda order: isinstance(order, Fault))
    manners = orders.take_all(lambda order: isinstance(order, Manner))
    return Behaviour(
        fault if isinstance(fault, Fault) else None,
        [manner for manner in manners if isinstance(manner, Manner)],
    )


def turns_away_next(orders: ModelOrders) -> bool:
    """Return whether to reset the next connection at once; if so, use up the order."""
    if not isinstance(orders.first(lambda order: isinstance(order, Fault)), Unreachable):
        return False
    orders.take(lambda order: isinstance(order, Unreachable))
    return True


def _moment(message: Message) -> Moment | None:
    if "setupComplete" in message:
        return "setup"
    if "toolCall" in message:
        return "tool_call"
    return "audio" if "modelTurn" in message.get("serverContent", {}) else None


def _bent(manner: Manner, message: Message) -> list[Message]:
    match manner:
        case UnknownMessages():
            strange = {name: {**value, **_UNKNOWN} for name, value in message.items()}
            return [{**strange, **_UNKNOWN}, *([] if manner.only_fields else [_UNKNOWN])]
        case WrongToolArguments():
            return [_with_tool_calls(message, args=manner.arguments)]
        case UnknownTool():
            return [_with_tool_calls(message, name=manner.tool)]
        case UsageApart():
            return _usage_apart(message)
        case NoResumptionHandles():
            return [] if "sessionResumptionUpdate" in message else [message]
        case ToolCallCancellation():
            return [message]
        case _:
            assert_never(manner)


def _with_tool_calls(message: Message, **changed: Any) -> Message:
    calls = tool_calls_of(message)
    return {"toolCall": {"functionCalls": [{**call, **changed} for call in calls]}} if calls else message


def _usage_apart(message: Message) -> list[Message]:
    if "usageMetadata" not in message:
        return [message]
    spent = spent_in(message["usageMetadata"])
    prompt = Spent(prompt_text=spent.prompt_text, prompt_audio=spent.prompt_audio)
    response = Spent(response_audio=spent.response_audio)
    rest = {name: value for name, value in message.items() if name != "usageMetadata"}
    return [{"usageMetadata": usage_metadata(prompt)}, rest, {"usageMetadata": usage_metadata(response)}]
