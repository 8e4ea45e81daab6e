"""What bot and controller say to each other: reports, inbox messages, answers, and the final report.

Paths lie under `/internal/launches/{launch_id}/`; bodies are JSON. Either side may be the newer one for the
time of an upgrade, so unknown fields are ignored, and so are unknown kinds of events
(`podline.contract.reading`). What an older side could not read as it is meant, such as another value of a
field it knows, must be a new field or kind.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from podline.contract.usage import Count, Name, Seconds, Tokens, Usage

MAX_REPORT_BYTES = 64 * 1024
MAX_LAST_WORD_BYTES = 4096
"""A termination message loses its head beyond this: kubernetes.io, determine-reason-pod-failure."""

REPORT_INTERVAL_SECONDS = 5.0
INBOX_POLL_SECONDS = 25.0
MAX_EVENTS = 1000
SILENCE_SECONDS = 3.0
"""How long a pause in a conversation may be before it counts as a silence."""


class BotTimeline(msgspec.Struct, frozen=True, omit_defaults=True):
    """Moments of a call on the bot's own clock: seconds since its process began.

    `now` is when the message was sent, so that the controller can place each moment on its own clock.
    `first_speech_acked` says that a report with `first_speech` was acknowledged: its start has been measured.
    """

    now: Seconds
    process_up: Seconds | None = None
    joined: Seconds | None = None
    caller_joined: Seconds | None = None
    first_speech: Seconds | None = None
    first_speech_acked: bool = False


class TokensUsed(msgspec.Struct, frozen=True, tag="tokens"):
    """The model has told what a piece of work cost."""

    model: Name
    tokens: Tokens


class FirstByte(msgspec.Struct, frozen=True, tag="first_byte"):
    """The model's first byte of an answer came, this long after it was asked."""

    model: Name
    seconds: Seconds


class ResponseLatency(msgspec.Struct, frozen=True, tag="response_latency"):
    """From the end of the caller's speech to the first sound of the answer."""

    seconds: Seconds


class TurnEnded(msgspec.Struct, frozen=True, tag="turn"):
    """The caller has finished a turn."""


class Interrupted(msgspec.Struct, frozen=True, tag="interruption"):
    """The caller has cut the bot short."""


class ToolCalled(msgspec.Struct, frozen=True, tag="tool_call"):
    """A tool has returned."""

    name: Name
    outcome: Literal["ok", "error"]
    seconds: Seconds


class Talked(msgspec.Struct, frozen=True, tag="talk"):
    """One side has spoken for this long."""

    side: Literal["caller", "bot"]
    seconds: Seconds


class Silence(msgspec.Struct, frozen=True, tag="silence"):
    """Neither side has spoken for `SILENCE_SECONDS`, while the caller was there. `after` spoke last."""

    after: Literal["caller", "bot"]


class ModelReconnected(msgspec.Struct, frozen=True, tag="model_reconnect"):
    """The connection to the model was lost and made again."""


class ErrorSeen(msgspec.Struct, frozen=True, tag="error"):
    """Something failed inside the bot and the call went on."""

    kind: Name


class ClientMessagesRefused(msgspec.Struct, frozen=True, tag="client_messages_refused"):
    """The bot has refused so many messages of the caller's client since it last said so."""

    cause: Name
    count: Count


class AudioDropped(msgspec.Struct, frozen=True, tag="audio_dropped"):
    """The caller's client has sent so much audio beyond real time, which the model did not hear."""

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
    """One batch of what a bot has to tell.

    `events` is what happened since the last acknowledged batch, frozen when the batch is first sent;
    `totals` and `timeline` are the whole so far. `acked` is the number of the last acknowledged batch
    (0: none yet); `seq` counts from 1.
    """

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    events: Annotated[list[Event], msgspec.Meta(max_length=MAX_EVENTS)]
    totals: Usage
    timeline: BotTimeline


class ReportAnswer(msgspec.Struct, frozen=True):
    """The number of the last batch that has been counted."""

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
    """Say goodbye and leave. `reason` is why, where the bot's caller should know."""

    id: Name
    reason: Name | None = None


InboxMessage = OfferMessage | CandidatesMessage | StopMessage


class InboxPage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Messages after the one named in the query (`after`), oldest first; all where that one is unknown.

    A stop comes before all others. `withdrawn` are the ids of messages that nobody waits for any more.
    """

    messages: list[InboxMessage]
    withdrawn: list[Name] = []


class InboxAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bot's answer to one message: a body for the client, or the refusal to hand on."""

    body: dict[str, Any] | None = None
    refusal: str | None = None


class FinalReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a bot leaves behind in the file `PODLINE_LAST_WORD`.

    `reason` is a `Reason` or `terminated`. `acked_totals` are the totals as of the last acknowledged
    report, and `acked` is its number: what `totals` has beyond them was never counted, unless the
    controller has counted a batch whose acknowledgement never came. One that is not final was left when the
    end was decided: the bot went on, and what it used from then on is in none if it was killed.
    """

    reason: str
    message: str
    totals: Usage
    acked_totals: Usage
    timeline: BotTimeline
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None
    is_final: bool = True
