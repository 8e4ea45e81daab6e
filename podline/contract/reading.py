"""Parsing of bots' reports, without the events that only a newer bot knows."""

from __future__ import annotations

from typing import Annotated, Final, get_args

import msgspec

from podline.contract.messages import MAX_EVENTS, BotTimeline, Event, InboxAnswer, Report
from podline.contract.nesting import is_too_deep
from podline.contract.text import printable
from podline.contract.usage import Name, Usage

_KNOWN: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Event))


class _Kind(msgspec.Struct, frozen=True):
    type: Name


class _AnyReport(msgspec.Struct, frozen=True):
    """A `Report` whose events are not parsed yet."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    events: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_EVENTS)]
    totals: Usage
    timeline: BotTimeline


_REPORT: Final = msgspec.json.Decoder(Report)
_ANY_REPORT: Final = msgspec.json.Decoder(_AnyReport)
_KIND: Final = msgspec.json.Decoder(_Kind)
_EVENT: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)
_ANSWER: Final = msgspec.json.Decoder(InboxAnswer)

MAX_REFUSAL_CHARACTERS: Final = 300


def read_report(body: bytes) -> tuple[Report, list[str]]:
    """Return one batch without its events of unknown kinds, and the kind of each of those.

    Raises:
        msgspec.DecodeError: It is not JSON or not a report, or an event of a known kind is malformed.
        UnicodeDecodeError: It is not UTF-8.
    """
    try:
        return _REPORT.decode(body), []
    except msgspec.ValidationError:
        # Look at kinds one by one only if something is wrong, because that takes several times as long.
        report = _ANY_REPORT.decode(body)
    kinds = [_KIND.decode(event).type for event in report.events]
    events = [
        _EVENT.decode(event) for event, kind in zip(report.events, kinds, strict=True) if kind in _KNOWN
    ]
    known = Report(report.seq, report.acked, events, report.totals, report.timeline)
    return known, [kind for kind in kinds if kind not in _KNOWN]


def read_answer(body: bytes) -> InboxAnswer:
    """Return a bot's answer to a message; a refusal, which a caller reads, is one printable line.

    Raises:
        msgspec.DecodeError: It is not JSON, not an answer, or nested too deeply to pass on.
        UnicodeDecodeError: It is not UTF-8.
    """
    answer = _ANSWER.decode(body)
    if is_too_deep(answer.body):
        raise msgspec.ValidationError("It is nested too deeply - at `$.body`")
    if answer.refusal is None:
        return answer
    return msgspec.structs.replace(answer, refusal=printable(answer.refusal, MAX_REFUSAL_CHARACTERS))
