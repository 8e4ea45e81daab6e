"""Messages between bot and controller: reports, inbox messages, answers, and the final report.

Paths are under `/internal/launches/{launch_id}/`; bodies are JSON. During an upgrade either side may be the
newer one, so unknown fields and unknown kinds of events are ignored (`podline.contract.reading`). Anything
that an older side would misread, such as another value of a known field, must be a new field or kind.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from podline.contract.usage import Count, Name, Seconds, Tokens, Usage

MAX_REPORT_BYTES = 64 * 1024
MAX_LAST_WORD_BYTES = 4096
"""A longer termination message loses its beginning: kubernetes.io, determine-reason-pod-failure."""

REPORT_INTERVAL_SECONDS = 5.0
INBOX_POLL_SECONDS = 25.0
MAX_EVENTS = 1000
SILENCE_SECONDS = 3.0
"""How long a pause in a conversation lasts before it counts as a silence."""


class BotTimeline(msgspec.Struct, frozen=True, omit_defaults=True):
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


class TokensUsed(msgspec.Struct, frozen=True, tag="tokens"):
    """The model reported the usage of an answer."""

    model: Name
    tokens: Tokens


class FirstByte(msgspec.Struct, frozen=True, tag="first_byte"):
    """The first byte of the model's answer arrived, this long after the request."""

    model: Name
    seconds: Seconds


class ResponseLatency(msgspec.Struct, frozen=True, tag="response_latency"):
    """From the end of the caller's speech to the first sound of the answer."""

    seconds: Seconds


class TurnEnded(msgspec.Struct, frozen=True, tag="turn"):
    """The caller finished a turn."""


class Interrupted(msgspec.Struct, frozen=True, tag="interruption"):
    """The caller interrupted the bot."""


class ToolCalled(msgspec.Struct, frozen=True, tag="tool_call"):
    """A tool returned."""

    name: Name
    outcome: Literal["ok", "error"]
    seconds: Seconds


class Talked(msgspec.Struct, frozen=True, tag="talk"):
    """One side spoke for this long."""

    side: Literal["caller", "bot"]
    seconds: Seconds


class Silence(msgspec.Struct, frozen=True, tag="silence"):
    """Neither side spoke for `SILENCE_SECONDS` while the caller was present. `after` spoke last."""

    after: Literal["caller", "bot"]


class ModelReconnected(msgspec.Struct, frozen=True, tag="model_reconnect"):
    """The connection to the model was lost and reopened."""


class ErrorSeen(msgspec.Struct, frozen=True, tag="error"):
    """Something failed inside the bot and the call went on."""

    kind: Name


class ClientMessagesRefused(msgspec.Struct, frozen=True, tag="client_messages_refused"):
    """The bot refused this many messages of the caller's client since its last such event."""

    cause: Name
    count: Count


class AudioDropped(msgspec.Struct, frozen=True, tag="audio_dropped"):
    """The caller's client sent this much audio beyond real time, which the model did not hear."""

    seconds: Seconds


Event = (
    TokensUsed
    | FirstByte
    | ResponseLatency
    | TurnEnded
    | Interrupted
    | ToolCalled
    | Talked
    | Silence
    | ModelReconnected
    | ErrorSeen
    | ClientMessagesRefused
    | AudioDropped
)


class Report(msgspec.Struct, frozen=True):
    """One batch of a bot's reports.

    `events` is what happened since the last acknowledged batch, frozen when the batch is first sent;
    `totals` and `timeline` are cumulative. `acked` is the number of the last acknowledged batch
    (0: none yet); `seq` counts from 1.
    """

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    events: Annotated[list[Event], msgspec.Meta(max_length=MAX_EVENTS)]
    totals: Usage
    timeline: BotTimeline


class ReportAnswer(msgspec.Struct, frozen=True):
    """The number of the last counted batch."""

    ack: int


class OfferMessage(msgspec.Struct, frozen=True, tag="offer"):
    """A SmallWebRTC offer to answer. `offer` is what the client sent, field for field."""

    id: Name
    offer: dict[str, Any]


class CandidatesMessage(msgspec.Struct, frozen=True, tag="candidates"):
    """ICE candidates of a connected client: {pc_id, candidates}."""

    id: Name
    candidates: dict[str, Any]


class StopMessage(msgspec.Struct, frozen=True, tag="stop"):
    """Say goodbye and end the call. `reason` is set if the caller should know it."""

    id: Name
    reason: Name | None = None


InboxMessage = OfferMessage | CandidatesMessage | StopMessage


class InboxPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Messages after the one named in the query (`after`), oldest first; all if that one is unknown.

    A stop comes before all others. `withdrawn` are the ids of messages whose answers nobody waits for.
    """

    messages: list[InboxMessage]
    withdrawn: list[Name] = []


class InboxAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bot's answer to one message: a body for the client, or a refusal to pass on."""

    body: dict[str, Any] | None = None
    refusal: str | None = None


class FinalReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """The final report that a bot writes to the file `PODLINE_LAST_WORD`.

    `reason` is a `Reason` or `terminated`. `acked_totals` are the totals as of the last acknowledged
    report, and `acked` is its number: what `totals` has beyond them was never counted, unless the
    controller counted a batch whose acknowledgement never arrived. A report that is not final was written
    when the end was decided: the bot went on, and if it was killed, no report has its usage from then on.
    """

    reason: str
    message: str
    totals: Usage
    acked_totals: Usage
    timeline: BotTimeline
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    is_final: bool = True
