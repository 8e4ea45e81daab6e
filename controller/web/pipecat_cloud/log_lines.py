"""The last lines of the logs of several bots, as Pipecat Cloud returns them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from controller.core.errors import ControllerError, RuntimeUnavailable
from controller.core.runtime import Runtime
from controller.core.session import Session
from controller.web.readable import readable

_MOST_SESSIONS: Final = 20
"""How many logs are read for one request, the newest sessions' first."""

_SECONDS: Final = 5.0
"""How long all of them may take."""

_MOST_BYTES: Final = 4096
"""Of one line. The rest of a longer one is left out."""

_MOST_BYTES_OF_ALL: Final = 4_000_000
"""The oldest lines are left out first."""


class _Tail:
    """The last lines of one log, of bounded number and length, without the blank ones."""

    def __init__(self, most_lines: int) -> None:
        self._most_lines = most_lines
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        first, *others = piece.split(b"\n")
        self._rest = (self._rest + first)[:_MOST_BYTES]
        for each in others:
            self._end_line()
            self._rest = each[:_MOST_BYTES]

    def lines(self) -> Sequence[str]:
        if self._rest:
            self._end_line()
        # A cut may have gone through a character.
        return [each.decode(errors="ignore") for each in self._lines]

    def __len__(self) -> int:
        return len(self._lines)

    def _end_line(self) -> None:
        if self._rest.strip():
            self._lines.append(self._rest)
            self._bytes += len(self._rest)
        self._rest = b""
        while len(self._lines) > self._most_lines or self._bytes > _MOST_BYTES_OF_ALL:
            self._bytes -= len(self._lines.popleft())


async def read_lines(
    runtime: Runtime, sessions: Sequence[Session], limit: int, seconds: float = _SECONDS
) -> list[dict[str, Any]]:
    """Return the last lines of these sessions' logs, oldest first.

    Args:
        runtime: has the logs.
        sessions: newest first.
        limit: the most lines.
        seconds: after which what has been read is returned.

    Raises:
        RuntimeUnavailable: there is a log, and none can be read right now.
    """
    read: list[tuple[Session, _Tail]] = []
    problem: ControllerError | None = None
    try:
        async with asyncio.timeout(seconds):
            for session in sessions[:_MOST_SESSIONS]:
                read.append((session, _Tail(limit)))
                try:
                    await _read(runtime, *read[-1])
                except ControllerError as error:
                    problem = error
                if sum(len(tail) for _, tail in read) >= limit:
                    break
    except TimeoutError:
        problem = RuntimeUnavailable("The logs could not be read in time.")
    found = [line for session, tail in reversed(read) for line in _lines_of(session, tail)]
    if problem is not None and not found:
        raise problem
    return _last(sorted(found, key=lambda each: each["timestamp"])[-limit:])


async def _read(runtime: Runtime, session: Session, tail: _Tail) -> None:
    async for piece in readable(await runtime.logs(session.launch_id, follow=False)):
        tail.feed(piece)


def _lines_of(session: Session, tail: _Tail) -> list[dict[str, Any]]:
    """Return what was read of a log; what was kept of it if the log is gone."""
    lines: Sequence[str] = tail.lines()
    if not lines and session.diagnostics is not None:
        lines = session.diagnostics.log
    return list(_dated(lines, session.timeline.accepted))


def _last(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last lines that are not too long together."""
    room = _MOST_BYTES_OF_ALL
    for number, each in enumerate(reversed(lines)):
        room -= len(each["log"])
        if room < 0:
            return lines[len(lines) - number :]
    return lines


def _dated(lines: Iterable[str], began: datetime) -> Iterable[dict[str, Any]]:
    """Yield each line with its time: its own if it is one of our JSON lines, otherwise the last one known."""
    at = began.isoformat()
    for line in lines:
        at = _time_of(line) or at
        yield {"timestamp": at, "log": line[:_MOST_BYTES]}


def _time_of(line: str) -> str | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
        at = datetime.fromisoformat(found["at"] if "at" in found else found["timestamp"])
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
