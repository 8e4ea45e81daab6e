"""Reads what bots report, and leaves out what only a newer bot can tell of."""

from __future__ import annotations

from typing import Annotated, Final, get_args

import msgspec

from protocol.messages import MAX_EVENTS, Event, Report, Timeline
from protocol.usage import Name, Usage

_KNOWN: Final = frozenset(str(kind.__struct_config__.tag) for kind in get_args(Event))


class _Kind(msgspec.Struct, frozen=True):
    type: Name


class _AnyReport(msgspec.Struct, frozen=True):
    """A `Report` whose events are still to be read."""

    seq: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    acked: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    events: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_EVENTS)]
    totals: Usage
    timeline: Timeline


def read_report(body: bytes) -> tuple[Report, list[str]]:
    """One batch without the events that nobody here knows, and the kind of each of those.

    Raises:
        msgspec.DecodeError: it is no JSON, or no report; or an event of a known kind is malformed.
        UnicodeDecodeError: it is no UTF-8.
    """
    try:
        return msgspec.json.decode(body, type=Report), []
    except msgspec.ValidationError:
        # Kinds are looked at one by one only where there is something wrong: that takes ten times as long.
        report = msgspec.json.decode(body, type=_AnyReport)
    kinds = [msgspec.json.decode(event, type=_Kind).type for event in report.events]
    events = [
        msgspec.json.decode(event, type=Event)
        for event, kind in zip(report.events, kinds, strict=True)
        if kind in _KNOWN
    ]
    known = Report(report.seq, report.acked, events, report.totals, report.timeline)
    return known, [kind for kind in kinds if kind not in _KNOWN]
