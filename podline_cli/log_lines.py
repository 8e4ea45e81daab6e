"""A bot's log for a person: events in words, and the last line of each traceback in a colour of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from podline_cli.text import safe_line

_HEAD: Final = ("at", "level", "logger", "event", "exception", "session_id")
_STYLES: Final = {"warning": "yellow", "error": "red", "critical": "bold red"}
_FAILURE: Final = "bold white on red"
_TRACEBACK: Final = "Traceback (most recent call last):"
_EVENT_WIDTH: Final = 28


class LogView:
    """Reads a log line by line. `failure` is the last line of the latest traceback."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self._in_traceback = False

    def shown(self, line: str) -> Iterator[Text]:
        """Yield what a terminal shows of a line."""
        event = event_of(line)
        if event is not None:
            yield _event(event)
            yield from self._traceback(str(event.get("exception") or ""))
        else:
            yield self._plain(safe_line(line))

    def _traceback(self, exception: str) -> Iterator[Text]:
        lines = [safe_line(line) for line in exception.splitlines() if line.strip()]
        for line in lines[:-1]:
            yield Text(f"    {line}", style="dim")
        if lines:
            self.failure = lines[-1]
            yield Text.assemble("    ", (lines[-1], _FAILURE))

    def _plain(self, line: str) -> Text:
        """Follow a traceback that Python itself has written, up to the first line that is not indented."""
        if line == _TRACEBACK:
            self._in_traceback = True
        elif self._in_traceback and line and not line.startswith(" "):
            self._in_traceback = False
            self.failure = line
            return Text(line, style=_FAILURE)
        return Text(line, style="dim" if self._in_traceback else "")


def event_of(line: str) -> dict[str, Any] | None:
    """Return the event that a line holds as JSON, or None if it is any other text."""
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _event(event: dict[str, Any]) -> Text:
    level = safe_line(str(event.get("level", "")))
    text = Text.assemble(
        (_time(event.get("at")), "dim"),
        " ",
        (f"{level.upper():7}", _STYLES.get(level, "green")),
        " ",
        (f"{safe_line(event['event']):{_EVENT_WIDTH}}", "bold"),
    )
    for name, value in event.items():
        if name not in _HEAD:
            text.append(f" {safe_line(name)}", "cyan").append(f"={_value(value)}", "")
    return text


def _time(at: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(at)).astimezone():%H:%M:%S.%f}"[:-3]
    except (ValueError, OverflowError):
        return "--:--:--.---"


def _value(value: object) -> str:
    """Return a plain word unchanged, and any other value as JSON."""
    if isinstance(value, str) and value.isprintable() and value and not set(value) & set(' ="'):
        return safe_line(value)
    return safe_line(json.dumps(value, ensure_ascii=False))
