"""Parsing of bots' messages, without the events that only a newer bot knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from podline.contract.encoding import DecodeError, decode, decode_error
from podline.contract.messages import EVENT_KINDS, FinalReport, InboxAnswer, Report
from podline.contract.nesting import is_too_deep
from podline.contract.text import printable

_REPORT: Final = TypeAdapter(Report)
_ANSWER: Final = TypeAdapter(InboxAnswer)
_FINAL_REPORT: Final = TypeAdapter(FinalReport)

_LONGEST_KIND: Final = 128
MAX_REFUSAL_CHARACTERS: Final = 300


def read_report(body: bytes) -> tuple[Report, list[str]]:
    """Return one batch without its events of unknown kinds, and the kind of each of those.

    Raises:
        DecodeError: It is not JSON or not a report, or an event of a known kind is malformed.
    """
    try:
        return _REPORT.validate_json(body, strict=True), []
    except ValidationError as error:
        if not _names_an_unknown_kind(error):
            raise decode_error(error) from None
    # Look at the kinds one by one only if one is unknown, because that takes several times as long.
    report = json.loads(body)
    kinds = [_unknown_kind(event) for event in report["events"]]
    known = [event for event, kind in zip(report["events"], kinds, strict=True) if kind is None]
    batch = decode(_REPORT, json.dumps({**report, "events": known}))
    return batch, [kind for kind in kinds if kind is not None]


def read_answer(body: bytes) -> InboxAnswer:
    """Return a bot's answer to a message; a refusal, which a caller reads, is one printable line.

    Raises:
        DecodeError: It is not JSON, not an answer, or can't be passed on as JSON.
    """
    answer = decode(_ANSWER, body)
    if is_too_deep(answer.body):
        raise DecodeError("It is nested too deeply - at `$.body`")
    try:
        json.dumps(answer.body, allow_nan=False)
    except ValueError:
        raise DecodeError("A number is out of range - at `$.body`") from None
    if answer.refusal is None:
        return answer
    return replace(answer, refusal=printable(answer.refusal, MAX_REFUSAL_CHARACTERS))


def read_final_report(text: bytes | str) -> FinalReport:
    """Return a final report.

    Raises:
        DecodeError: It is not JSON or not a final report.
    """
    return decode(_FINAL_REPORT, text)


def _names_an_unknown_kind(error: ValidationError) -> bool:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return any(each["type"] == "union_tag_invalid" for each in found)


def _unknown_kind(event: Any) -> str | None:
    kind = event.get("type") if isinstance(event, dict) else None
    is_name = isinstance(kind, str) and 0 < len(kind) <= _LONGEST_KIND
    return kind if is_name and kind not in EVENT_KINDS else None
