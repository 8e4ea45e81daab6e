"""The form of log lines, shared by controller and bot, so that one query finds both sides of a session.

A JSON object for each event; at a terminal, text for a person.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TextIO

BY_A_LIBRARY: Final = "library message"
"""The event of libraries' log lines; the field `text` has the library's message."""

_EVENT_WIDTH: Final = 28
"""As wide as most events, so that the fields of most lines are aligned."""

_RESET: Final = "\x1b[0m"
_DIM: Final = "\x1b[2m"
_BOLD: Final = "\x1b[1m"
_CYAN: Final = "\x1b[36m"
_OF_LEVEL: Final = {"info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}


@dataclass(frozen=True)
class Line:
    """An event that happened.

    Attributes:
        at: when, with a time zone.
        level: `info`, `warning`, `error` ...
        logger: the part of the program, or the library, that logged it.
        event: what happened, in constant words.
        fields: its data, by name.
        exception: a traceback, if there is one.
    """

    at: datetime
    level: str
    logger: str
    event: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    exception: str | None = None


Form = Callable[[Line], str]


def form_for(stream: TextIO, environment: Mapping[str, str]) -> Form:
    """Return the formatter for this stream.

    Colours are only for terminals, and not with NO_COLOR (https://no-color.org).
    """
    if not stream.isatty():
        return as_json
    has_colours = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return as_coloured_text if has_colours else as_text


def as_json(line: Line) -> str:
    """Return {"at", "level", "logger", "event", ...fields, "exception"?}, with the time in UTC."""
    head = {
        "at": line.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "level": line.level,
        "logger": line.logger,
        "event": line.event,
    }
    tail = {} if line.exception is None else {"exception": line.exception}
    # No field can replace the ones that every line has.
    return json.dumps({**head, **line.fields, **head, **tail}, default=str)


def as_text(line: Line) -> str:
    """Return local time, level, event, fields as NAME=VALUE, logger; a traceback below."""
    return _text(line, lambda _, text: text)


def as_coloured_text(line: Line) -> str:
    """Return the same with colours."""
    return _text(line, lambda colour, text: f"{colour}{text}{_RESET}" if colour else text)


def _text(line: Line, paint: Callable[[str, str], str]) -> str:
    at = paint(_DIM, f"{line.at.astimezone():%H:%M:%S}.{line.at.microsecond // 1000:03}")
    level = paint(_OF_LEVEL.get(line.level, ""), f"{line.level.upper():7}")
    event = paint(_BOLD, f"{line.event:{_EVENT_WIDTH}}")
    fields = [f"{paint(_CYAN, name)}={_shown(value)}" for name, value in line.fields.items()]
    first = " ".join([at, level, event, *fields, paint(_DIM, line.logger)])
    below = (line.exception or "").splitlines()
    return "\n".join([first, *(f"    {_printable(each)}" for each in below)])


def _shown(value: object) -> str:
    """Return a plain word unchanged and quote other values, so that none can look like a separate line."""
    text = str(value)
    if text and text.isprintable() and not set(text) & set(' ="'):
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _printable(text: str) -> str:
    """Remove everything that a terminal would interpret as a command."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
