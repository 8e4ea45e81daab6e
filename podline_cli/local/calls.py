"""The calls of a controller on this machine, a line for each step of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Final

import httpx
from pydantic import ValidationError
from rich.text import Text

from podline.contract.text import printable
from podline_cli.answers import SessionAnswer
from podline_cli.log_lines import event_of

Say = Callable[[Text], None]

_RETRY_SECONDS: Final = 0.5
_MOST_CHARACTERS: Final = 500
_ID_CHARACTERS: Final = 8
_OUR_OWN: Final = "podline"
"""What begins the logger of the runner's own lines: what they report is in the session's record as well."""
_OF_MAIN: Final = ("call not begun", "call crashed")
"""Likewise, events of the runner's main module, whose logger looks like the bot's."""


def line_for(call: SessionAnswer) -> Text | None:
    """Return the line for the phase that a call is in; None for one that needs none."""
    timeline = call.timeline
    match call.phase:
        case "starting":
            line = _head(call).append("started", "yellow")
            return line.append(f"  session {call.id}", "dim")
        case "live" if timeline.joined is not None:
            return _head(call).append(f"live after {_seconds(timeline.joined, timeline.accepted)}", "green")
        case "ended" | "failed" if timeline.ended is not None:
            words = f"{call.phase} after {_seconds(timeline.ended, timeline.accepted)}: {call.reason}. "
            line = _head(call).append(words, "red" if call.phase == "failed" else "")
            return line.append(call.message or "")
        case _:
            return None


class CallLines:
    """Says what becomes of each call, until cancelled."""

    def __init__(self, port: str, say: Say) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=httpx.Timeout(5, read=None)
        )
        self._say = say
        self._phases: dict[str, str] = {}

    async def run(self) -> None:
        async with self._http, asyncio.TaskGroup() as tasks:
            while True:
                try:
                    async for call in self._calls():
                        self._show(call, tasks)
                except (httpx.HTTPError, ValidationError):
                    # The controller is about to end, or another has its port.
                    pass
                await asyncio.sleep(_RETRY_SECONDS)

    def _show(self, call: SessionAnswer, tasks: asyncio.TaskGroup) -> None:
        known = self._phases.get(call.id)
        if known == call.phase:
            return
        self._phases[call.id] = call.phase
        if known is None:
            tasks.create_task(self._follow_log(call))
        if (line := line_for(call)) is not None:
            self._say(line)

    async def _calls(self) -> AsyncIterator[SessionAnswer]:
        """Yield each session as it changes."""
        async with self._http.stream("GET", "/v1/events") as response:
            if response.status_code != httpx.codes.OK:
                self._say(Text("Calls are not shown here: this controller asks for a key.", "yellow"))
                await asyncio.Event().wait()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield SessionAnswer.model_validate_json(line.removeprefix("data:").strip())

    async def _follow_log(self, call: SessionAnswer) -> None:
        """Say what goes wrong in a call without ending it, such as in one of the bot's event handlers."""
        try:
            async with self._http.stream(
                "GET", f"/v1/sessions/{call.id}/logs", params={"follow": "true"}
            ) as response:
                async for line in response.aiter_lines():
                    if (problem := problem_in(line)) is not None:
                        self._say(_head(call).append(problem, "red"))
        except httpx.HTTPError:
            # The controller has gone, and the log with it.
            return


def problem_in(line: str) -> str | None:
    """Return what a line of a bot's log says went wrong in the bot's own code or in a library."""
    fields = event_of(line)
    if fields is None or fields.get("level") not in ("error", "critical"):
        return None
    is_our_own = str(fields.get("logger", "")).partition(".")[0] == _OUR_OWN
    if is_our_own or fields["event"] in _OF_MAIN:
        return None
    said = str(fields.get("text") or fields["event"]).rstrip(".: ")
    traceback = str(fields.get("exception") or "").strip().splitlines()
    where = str(fields.get("through", "")).partition(" < ")[0]
    parts = (said, *traceback[-1:], f"in {where}" if where else "")
    return printable(f"error: {', '.join(part for part in parts if part)}", _MOST_CHARACTERS)


def _head(call: SessionAnswer) -> Text:
    now = datetime.now().astimezone()
    return Text().append(f"  {now:%H:%M:%S}  {_short(call.id)}  ", "dim").append(f"{call.agent}  ")


def _short(session_id: str) -> str:
    """Return the end of an id that the controller made: its beginning is the time. Other ids are names."""
    is_made = len(session_id) == len("01a22919-3d77-70f9-a71a-680ddd430ce2")
    return session_id[-_ID_CHARACTERS:] if is_made else session_id


def _seconds(until: datetime, since: datetime) -> str:
    return f"{(until - since).total_seconds():.1f} s"
