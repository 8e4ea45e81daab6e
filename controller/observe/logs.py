"""What the controller logs: an event with a constant name, and its data in fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from podline.logs import BY_A_LIBRARY, Form, Line, form_for

session_at_work: ContextVar[str | None] = ContextVar("session_at_work", default=None)
"""The session for which a request or task is at work, so that a line nobody foresaw names it as well."""

_OURS: Final = "podline"
"""What the names of our own loggers begin with."""

_OWN_TO_RECORDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "asctime",
    "message",
    "taskName",
    # Uvicorn's, for a terminal: the message once more.
    "color_message",
}


@contextmanager
def about(session_id: str | None) -> Iterator[None]:
    """Have all lines name this session, and those of tasks that are begun meanwhile."""
    token = session_at_work.set(session_id)
    try:
        yield
    finally:
        session_at_work.reset(token)


def configure_logging(stream: TextIO, environment: Mapping[str, str]) -> None:
    """Send all that is logged in this process, by libraries too, to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Formatter(form_for(stream, environment)))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class Formatter(logging.Formatter):
    """Gives records the form that all our lines have."""

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
