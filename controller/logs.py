"""What the controller logs: an event with a constant name, and its data in fields.

One line of JSON for each event; at a terminal, one that a person reads.
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

session_at_work: ContextVar[str | None] = ContextVar("session_at_work", default=None)
"""The session for which a request or task is at work, so that a line nobody foresaw names it as well."""

_OWN_TO_RECORDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "message",
    "taskName",
    # Uvicorn's, for a terminal: the message once more.
    "color_message",
}


def configure_logging(stream: TextIO) -> None:
    """Send all that is logged in this process, by libraries too, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(ReadableFormatter() if stream.isatty() else JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class JsonFormatter(logging.Formatter):
    """{"at", "level", "logger", "event", ...fields, "exception"?} in one line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class ReadableFormatter(logging.Formatter):
    """Time, level, event, then the fields as NAME=VALUE, and an exception's traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        at = _moment(record).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        line = f"{at} {record.levelname:<7} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _OWN_TO_RECORDS}
    session_id = session_at_work.get()
    return fields if session_id is None else {"session_id": session_id, **fields}


def _shown(value: object) -> str:
    """As it is where it is one plain word; else quoted, so that a value can't look like a line of its own."""
    text = str(value)
    return text if text.isprintable() and text and not set(text) & set(' ="') else json.dumps(text)
