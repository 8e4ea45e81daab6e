"""The last lines of the logs of several bots, as Pipecat Cloud returns them."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from controller.core.errors import ControllerError
from controller.core.runtime import Runtime
from controller.core.session import Session
from controller.web.readable import readable

_MOST_SESSIONS: Final = 20
"""How many logs are read for one request, the newest sessions' first."""

_SECONDS: Final = 5.0
"""How long all of them may take."""

_MOST_CHARACTERS: Final = 4096
"""Of one line."""


async def read_lines(runtime: Runtime, sessions: Sequence[Session], limit: int) -> list[dict[str, Any]]:
    """Return the last lines of these sessions' logs, oldest first.

    Args:
        runtime: has the logs.
        sessions: newest first.
        limit: the most lines.
    """
    found: list[dict[str, Any]] = []
    for session in sessions[:_MOST_SESSIONS]:
        lines = await _lines_of(runtime, session, limit)
        found = [*_dated(lines, session.timeline.accepted), *found]
        if len(found) >= limit:
            break
    return sorted(found, key=lambda each: each["timestamp"])[-limit:]


async def _lines_of(runtime: Runtime, session: Session, limit: int) -> Iterable[str]:
    """Return the last lines of one log; those that were kept of a bot whose log is gone."""
    lines: deque[str] = deque(maxlen=limit)
    rest = b""
    try:
        async with asyncio.timeout(_SECONDS):
            async for piece in readable(await runtime.logs(session.launch_id, follow=False)):
                *whole, rest = (rest + piece).split(b"\n")
                lines.extend(each.decode(errors="replace") for each in whole)
    except (ControllerError, TimeoutError):
        pass
    if rest:
        lines.append(rest.decode(errors="replace"))
    if not lines and session.diagnostics is not None:
        return session.diagnostics.log
    return lines


def _dated(lines: Iterable[str], began: datetime) -> Iterable[dict[str, Any]]:
    """Yield each line with its time: its own if it is one of our JSON lines, otherwise the last one known."""
    at = began.isoformat()
    for line in lines:
        at = _time_of(line) or at
        if line.strip():
            yield {"timestamp": at, "log": line[:_MOST_CHARACTERS]}


def _time_of(line: str) -> str | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
        return datetime.fromisoformat(found["at"] if "at" in found else found["timestamp"]).isoformat()
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
