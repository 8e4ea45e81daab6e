"""The ways in which OpenAI can be ordered to misbehave, each aimed at all callers or at one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from sandbox.mind.dialogue import TurnKind
from sandbox.misbehaviour import Misbehaviour, Orders
from sandbox.openai.asked import AskedFor

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Aim = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Piece = Literal["request", "headers", "first"]
"""Before anything of the answer is sent, after its headers, or after its first piece."""


class OpenAIOrder(Misbehaviour, frozen=True, kw_only=True):
    """An order for OpenAI, with the requests that it applies to. The next `times` of these are counted.

    Attributes:
        project: Only for requests of this project, which a client takes from OPENAI_PROJECT_ID.
        host: Only for requests from this address.
        instruction: Only for requests with this text in a completion's system or developer message, a
            transcription's prompt, or speech's instructions.
    """

    project: Aim | None = None
    host: Aim | None = None
    instruction: Aim | None = None

    def __post_init__(self) -> None:
        if self.now:
            raise ValueError("OpenAI's requests are short: an order can only meet those to come")

    def applies_to(self, asked: AskedFor) -> bool:
        """Return whether a request is one of those."""
        return (
            self.project in (None, asked.project)
            and self.host in (None, asked.host)
            and (self.instruction is None or self.instruction in asked.instruction)
        )


class OrderOfRequests(OpenAIOrder, frozen=True, kw_only=True):
    """An order for requests of all kinds, or of one.

    Attributes:
        endpoint: Which requests.
    """

    endpoint: Literal["any", "completions", "transcriptions", "speech"] = "any"

    def applies_to(self, asked: AskedFor) -> bool:
        return self.endpoint in ("any", asked.endpoint) and super().applies_to(asked)


class OrderOfCompletions(OpenAIOrder, frozen=True, kw_only=True):
    """An order for completions.

    Attributes:
        turn: Which requests: those in which the model speaks first, answers the caller or a tool's result,
            or all.
    """

    turn: Literal["any"] | TurnKind = "any"

    def applies_to(self, asked: AskedFor) -> bool:
        turn = self.turn in ("any", asked.turn)
        return asked.endpoint == "completions" and turn and super().applies_to(asked)


class OrderOfCalls(OrderOfCompletions, frozen=True, kw_only=True):
    """An order for those completions among them that call a tool."""

    def applies_to(self, asked: AskedFor) -> bool:
        return asked.calls_tool and super().applies_to(asked)


class RateLimit(OrderOfRequests, frozen=True, kw_only=True, tag="rate_limit"):
    """Answers 429 with `Retry-After`, as after too many requests."""

    retry_after_seconds: Seconds = 1.0


class OutOfQuota(OrderOfRequests, frozen=True, tag="out_of_quota"):
    """Answers 429, as if the account's quota were used up."""


class InvalidKey(OrderOfRequests, frozen=True, tag="invalid_key"):
    """Answers 401, as if the key were wrong."""


class OpenAIStatus(OrderOfRequests, frozen=True, kw_only=True, tag="status"):
    """Answers with a status, in OpenAI's words or with this message."""

    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    message: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


class OpenAIStall(OrderOfRequests, frozen=True, kw_only=True, tag="stall"):
    """Falls silent for this long, or until the client gives up.

    Attributes:
        after: When: before the answer, after its headers, or after its first word or sound.
    """

    after: Piece = "headers"
    seconds: Seconds | None = None


class OpenAICut(OrderOfRequests, frozen=True, kw_only=True, tag="cut"):
    """Breaks the connection.

    Attributes:
        after: When, as for `stall`.
    """

    after: Piece = "first"


class EmptyCompletion(OrderOfCompletions, frozen=True, tag="empty_completion"):
    """Says nothing and calls no tool."""


class EndedEarly(OrderOfCompletions, frozen=True, kw_only=True, tag="ended_early"):
    """Ends after the first word, for this reason."""

    reason: Literal["length", "content_filter"] = "length"


class ErrorInStream(OrderOfCompletions, frozen=True, tag="error_in_stream"):
    """Sends an error after the first word; nothing follows."""


class OpenAINonsense(OrderOfCompletions, frozen=True, tag="nonsense"):
    """Sends half of a chunk after the first word."""


class WrongUsageReport(OrderOfCompletions, frozen=True, kw_only=True, tag="usage"):
    """Gives this for every count of tokens, or no usage."""

    tokens: Any = None


class BadArguments(OrderOfCalls, frozen=True, kw_only=True, tag="bad_arguments"):
    """Calls the tool with this text as its arguments."""

    text: Annotated[str, msgspec.Meta(max_length=100_000)] = '{"query": '


class UndeclaredTool(OrderOfCalls, frozen=True, kw_only=True, tag="unknown_tool"):
    """Calls a tool that was not declared instead."""

    tool: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "order_pizza"


class RepeatedCallId(OrderOfCalls, frozen=True, kw_only=True, tag="repeated_call_id"):
    """Makes the call twice with one id, or with the id of the conversation's first call."""

    how: Literal["twice", "earlier"] = "twice"


class WrongTranscription(OpenAIOrder, frozen=True, kw_only=True, tag="wrong_transcription"):
    """Hears these words instead; "" is an empty transcription."""

    text: Annotated[str, msgspec.Meta(max_length=100_000)] = ""

    def applies_to(self, asked: AskedFor) -> bool:
        return asked.endpoint == "transcriptions" and super().applies_to(asked)


class WrongSpeech(OpenAIOrder, frozen=True, kw_only=True, tag="wrong_speech"):
    """Sends wrong audio.

    Attributes:
        sound: Silence of the same length, nothing at all, or speech that ends in the middle of a sample.
    """

    sound: Literal["zeros", "nothing", "odd_bytes"] = "zeros"

    def applies_to(self, asked: AskedFor) -> bool:
        return asked.endpoint == "speech" and super().applies_to(asked)


OpenAIMisbehaviour = (
    RateLimit
    | OutOfQuota
    | InvalidKey
    | OpenAIStatus
    | OpenAIStall
    | OpenAICut
    | EmptyCompletion
    | EndedEarly
    | ErrorInStream
    | OpenAINonsense
    | WrongUsageReport
    | BadArguments
    | UndeclaredTool
    | RepeatedCallId
    | WrongTranscription
    | WrongSpeech
)
OpenAIOrders = Orders[OpenAIMisbehaviour]


def no_orders() -> OpenAIOrders:
    """A list of orders for OpenAI, without any."""
    return Orders(OpenAIMisbehaviour)
