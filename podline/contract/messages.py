"""Messages between bot and controller: reports, inbox messages, answers, and the final report.

Paths are under `/internal/launches/{launch_id}/`; bodies are JSON. During an upgrade either side may be the
newer one, so unknown fields and unknown kinds of events and of inbox messages are ignored. Anything that an
older side would misread, such as another value of a known field, must be a new field or kind, or takes
another number of the contract (`podline.contract.version`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, Tag

from podline.contract.usage import Count, Name, Seconds, ServiceName, Tokens, Usage
from podline.contract.version import why_unspoken

MAX_REPORT_BYTES = 64 * 1024
MAX_ASSIGNMENT_BYTES = 128 * 1024
"""The most that the variables of a session may take, as JSON."""
MAX_LAST_WORD_BYTES = 4096
"""A longer termination message loses its beginning: kubernetes.io, determine-reason-pod-failure."""

REPORT_INTERVAL_SECONDS = 5.0
INBOX_POLL_SECONDS = 25.0
MAX_EVENTS = 1000
SILENCE_SECONDS = 3.0
"""How long a pause in a conversation lasts before it counts as a silence."""


def _spoken(contract: int) -> int:
    if (reason := why_unspoken(contract)) is not None:
        raise ValueError(reason)
    return contract


Contract = Annotated[int, Field(ge=1, le=2**53), AfterValidator(_spoken)]
"""What a message is written in: see `podline.contract.version`."""


@dataclass(frozen=True, slots=True)
class BotTimeline:
    """Moments of a call on the bot's own clock: seconds since its process began.

    `now` is when the message was sent, so that the controller can convert each moment to its own clock.
    `first_speech_acked` says that a report with `first_speech` was acknowledged: its start has been measured.
    """

    now: Seconds
    process_up: Seconds | None = None
    joined: Seconds | None = None
    caller_joined: Seconds | None = None
    first_speech: Seconds | None = None
    first_speech_acked: bool = False


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """The model reported the usage of an answer. Older bots don't report the service."""

    model: Name
    tokens: Tokens
    service: ServiceName | None = None
    type: Literal["tokens"] = "tokens"


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A speech-to-text service was sent this much more audio."""

    model: Name
    seconds: Seconds
    service: ServiceName | None = None
    type: Literal["transcribed"] = "transcribed"


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A text-to-speech service was given this many more characters to speak."""

    model: Name
    characters: Count
    service: ServiceName | None = None
    type: Literal["synthesized"] = "synthesized"


@dataclass(frozen=True, slots=True)
class FirstByte:
    """The first byte of a service's answer arrived, this long after the request."""

    model: Name
    seconds: Seconds
    service: ServiceName | None = None
    type: Literal["first_byte"] = "first_byte"


@dataclass(frozen=True, slots=True)
class ResponseLatency:
    """From the end of the caller's speech to the first audible sound that left the bot's output."""

    seconds: Seconds
    type: Literal["response_latency"] = "response_latency"


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The caller finished a turn."""

    type: Literal["turn"] = "turn"


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The caller interrupted the bot."""

    type: Literal["interruption"] = "interruption"


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """A tool returned."""

    name: Name
    outcome: Literal["ok", "error"]
    seconds: Seconds
    type: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True)
class Talked:
    """One side spoke for this long."""

    side: Literal["caller", "bot"]
    seconds: Seconds
    type: Literal["talk"] = "talk"


@dataclass(frozen=True, slots=True)
class Silence:
    """Neither side spoke for `SILENCE_SECONDS` while the caller was present. `after` spoke last."""

    after: Literal["caller", "bot"]
    type: Literal["silence"] = "silence"


UnansweredCause = Literal["empty_turn", "inaudible", "no_answer", "connection_lost", "not_played"]


@dataclass(frozen=True, slots=True)
class TurnUnanswered:
    """The caller was owed an answer and had not heard one. The bot tries again, or gives up.

    An answer is owed after a caller's turn, after the greeting was requested, and after a tool's result.

    `cause` is what happened instead: the model completed its turn with neither sound nor a tool call
    (`empty_turn`), or with sound that nobody can hear (`inaudible`); it sent no audible answer in time
    (`no_answer`); its connection was lost (`connection_lost`); or it answered, and the answer did not leave
    the bot's output (`not_played`).
    """

    cause: UnansweredCause
    type: Literal["turn_unanswered"] = "turn_unanswered"


@dataclass(frozen=True, slots=True)
class AnswerRequested:
    """The bot asked the model again for an answer that is owed."""

    type: Literal["answer_requested"] = "answer_requested"


@dataclass(frozen=True, slots=True)
class ModelReconnected:
    """The connection to the model was lost and reopened.

    `resumed` says whether the model was given a handle of the earlier session. Older bots don't report it.
    """

    resumed: bool | None = None
    type: Literal["model_reconnect"] = "model_reconnect"


@dataclass(frozen=True, slots=True)
class ModelReseeded:
    """A connection to the model was given the conversation so far as text, because the model had lost it."""

    type: Literal["model_reseeded"] = "model_reseeded"


@dataclass(frozen=True, slots=True)
class ErrorSeen:
    """Something failed inside the bot, and the call continued."""

    kind: Name
    type: Literal["error"] = "error"


QUOTA_KINDS: Final = frozenset({"quota", "rate_limit"})
"""The kinds of errors by which a service says that its key is used too much."""


@dataclass(frozen=True, slots=True)
class ClientMessagesRefused:
    """The bot refused this many messages from the caller's client since its last event of this kind."""

    cause: Name
    count: Count
    type: Literal["client_messages_refused"] = "client_messages_refused"


@dataclass(frozen=True, slots=True)
class AudioDropped:
    """The caller's client sent this much audio beyond real time, which the model did not hear."""

    seconds: Seconds
    type: Literal["audio_dropped"] = "audio_dropped"


Event = (
    TokensUsed
    | Transcribed
    | Synthesized
    | FirstByte
    | ResponseLatency
    | TurnEnded
    | Interrupted
    | ToolCalled
    | Talked
    | Silence
    | TurnUnanswered
    | AnswerRequested
    | ModelReconnected
    | ModelReseeded
    | ErrorSeen
    | ClientMessagesRefused
    | AudioDropped
)

EVENT_KINDS: Final[tuple[str, ...]] = tuple(
    str(kind.__dataclass_fields__["type"].default) for kind in get_args(Event)
)
"""The values that an event's field `type` may have."""


@dataclass(frozen=True, slots=True)
class Report:
    """One batch of a bot's reports.

    `events` is what happened since the last acknowledged batch, frozen when the batch is first sent;
    `totals` and `timeline` are cumulative. `acked` is the number of the last acknowledged batch
    (0: none yet); `seq` counts from 1. `contract` is what it is written in; None from the oldest bots.
    """

    seq: Annotated[int, Field(ge=1, le=2**53)]
    acked: Count
    events: Annotated[list[Annotated[Event, Field(discriminator="type")]], Field(max_length=MAX_EVENTS)]
    totals: Usage
    timeline: BotTimeline
    contract: Contract | None = None


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """The number of the last counted batch."""

    ack: int


@dataclass(frozen=True, slots=True)
class OfferMessage:
    """A SmallWebRTC offer to answer. `offer` is what the client sent, field for field."""

    id: Name
    offer: dict[str, Any]
    type: Literal["offer"] = "offer"


@dataclass(frozen=True, slots=True)
class CandidatesMessage:
    """ICE candidates of a connected client: {pc_id, candidates}."""

    id: Name
    candidates: dict[str, Any]
    type: Literal["candidates"] = "candidates"


@dataclass(frozen=True, slots=True)
class StopMessage:
    """Say goodbye and end the call. `reason` is set if the caller should know it."""

    id: Name
    reason: Name | None = None
    type: Literal["stop"] = "stop"


@dataclass(frozen=True, slots=True)
class AssignmentMessage:
    """A session for a bot that waits for one.

    The bot confirms it like any message, with an empty body, and has the session only with the answer to
    that, an `Assignment`. Any other answer means that it is not wanted for the session any more. It repeats a
    confirmation whose answer was lost. A bot that has its session confirms again, and ignores the answer.
    """

    id: Name
    session_id: Name
    type: Literal["assignment"] = "assignment"


@dataclass(frozen=True, slots=True)
class Assignment:
    """The answer to a confirmed assignment: the variables that a bot started for the session would have."""

    environment: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A message of a kind that only a newer controller knows."""

    id: Name
    type: Name


InboxMessage = OfferMessage | CandidatesMessage | StopMessage | AssignmentMessage | UnknownMessage

_UNKNOWN: Final = "unknown"


def _kind_of_message(message: Any) -> str:
    kind = message.get("type") if isinstance(message, dict) else getattr(message, "type", None)
    return kind if kind in ("offer", "candidates", "stop", "assignment") else _UNKNOWN


@dataclass(frozen=True, slots=True)
class InboxPage:
    """The messages after the one named in the query (`after`), oldest first; all if that one is unknown.

    A stop precedes all others. `withdrawn` lists messages, by id, that no longer need an answer.
    """

    messages: list[
        Annotated[
            Annotated[OfferMessage, Tag("offer")]
            | Annotated[CandidatesMessage, Tag("candidates")]
            | Annotated[StopMessage, Tag("stop")]
            | Annotated[AssignmentMessage, Tag("assignment")]
            | Annotated[UnknownMessage, Tag(_UNKNOWN)],
            Discriminator(_kind_of_message),
        ]
    ]
    withdrawn: list[Name] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InboxAnswer:
    """The bot's answer to one message: a body for the client, or a refusal to pass on."""

    body: dict[str, Any] | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class FinalReport:
    """The final report that a bot writes to the file `PODLINE_LAST_WORD`.

    `reason` is a `Reason`, `terminated` or `running`. `acked_totals` are the totals as of the last
    acknowledged report, and `acked` is its number: what `totals` has beyond them was never counted, unless
    the controller counted a batch whose acknowledgement never arrived. A report that is not final was written
    during the call, after each acknowledgement, or when the end was decided: the bot continued, and if it was
    killed, no report contains its later usage.
    `contract` is what it is written in; None from the oldest bots.
    """

    reason: str
    message: str
    totals: Usage
    acked_totals: Usage
    timeline: BotTimeline
    acked: Count | None = None
    is_final: bool = True
    contract: Contract | None = None
