"""The controller's logs: events with constant names, and their data in fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from podline.logs import BY_A_LIBRARY, Form, Line, form_for

session_at_work: ContextVar[str | None] = ContextVar("session_at_work", default=None)
"""The session that a request or task works for, so that every line names it, even an unforeseen one."""

_OURS: Final = "podline"
"""The prefix of our own loggers' names."""

_OWN_TO_RECORDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "message",
    "taskName",
    # Uvicorn's copy of the message, for a terminal.
    "color_message",
}


@contextmanager
def about(session_id: str | None) -> Iterator[None]:
    """Add this session to all log lines, including those of tasks started meanwhile."""
    token = session_at_work.set(session_id)
    try:
        yield
    finally:
        session_at_work.reset(token)


def configure_logging(stream: TextIO, environment: Mapping[str, str]) -> None:
    """Send all logs of this process, including libraries', to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(form_for(stream, environment)))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class Formatter(logging.Formatter):
    """Formats records like all our log lines."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        is_ours = record.name.partition(".")[0] == _OURS
        text = {} if is_ours else {"text": record.getMessage().strip()}
        line = Line(
            at=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname.lower(),
            logger=record.name,
            event=record.getMessage() if is_ours else BY_A_LIBRARY,
            fields=text | _fields(record),
            exception=self.formatException(record.exc_info) if record.exc_info else None,
        )
        return self._form(line)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _OWN_TO_RECORDS}
    session_id = session_at_work.get()
    return fields if session_id is None else {"session_id": session_id, **fields}
