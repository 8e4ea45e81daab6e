"""The model's tool calls. Each id runs once and is answered once; a cancelled call is not answered.

The model's ids are valid only in its session. Inside the bot each call has an id of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from podline.tool_calls import MAX_TOOL_SECONDS

MOST_RUNNING: Final = 32
"""Calls at a time. A model that makes more has lost its way."""
LONGEST_ID: Final = 1024
MOST_REMEMBERED: Final = 1000
"""Settled calls of one session. A call is repeated soon after the first, if at all."""


class ResultFate(Enum):
    """What becomes of a call's result."""

    ANSWERS = auto()
    """It answers the call."""
    IS_REPORTED = auto()
    """The session that made the call is gone, so the result is reported to its successor as text."""
    IS_DROPPED = auto()
    """The call was answered or cancelled."""


@dataclass
class _Call:
    model_id: str
    name: str
    session: int
    began_at: float
    is_running: bool = True
    is_settled: bool = False


class CallTable:
    """The table of one conversation's calls."""

    def __init__(self, new_id: Callable[[], str], clock: Callable[[], float]) -> None:
        """Make an empty table. `new_id` makes ids for calls without one, or with one of another session."""
        self._new_id = new_id
        self._clock = clock
        self._session = 0
        self._calls: dict[str, _Call] = {}

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def running(self) -> list[str]:
        """The names of the tools that run, and have not for too long."""
        earliest = self._clock() - MAX_TOOL_SECONDS
        return [call.name for call in self._calls.values() if call.is_running and call.began_at > earliest]

    def session_opened(self, *, is_resumed: bool) -> None:
        """Note another session. One that isn't resumed knows no earlier call, and may use its id again."""
        self._session += not is_resumed

    def accept(self, model_id: str | None, name: str) -> str | None:
        """Return the bot's id for a call that is to run; None if it ran before or exceeds a limit."""
        model_id = model_id or self._new_id()
        if len(model_id) > LONGEST_ID or len(self.running) >= MOST_RUNNING or self._key(model_id) is not None:
            return None
        key = self._new_id() if model_id in self._calls else model_id
        self._calls[key] = _Call(model_id, name, self._session, self._clock())
        self._forget_the_oldest()
        return key

    def cancel(self, model_ids: Iterable[str]) -> list[str]:
        """Settle calls that the model cancels; return those that run, to be stopped. Others are ignored."""
        stopped = []
        for model_id in model_ids:
            key = self._key(model_id)
            if key is not None and not self._calls[key].is_settled:
                self._calls[key].is_settled = True
                stopped.append(key)
        return stopped

    def stopped(self, key: str) -> None:
        """Note that a call's handler was stopped, by an interruption or its timeout."""
        if key in self._calls:
            self._calls[key].is_running = False

    def finish(self, key: str, *, is_final: bool = True) -> ResultFate:
        """Note a result, and return what becomes of it."""
        call = self._calls.get(key)
        if call is None or call.is_settled:
            if call is not None and is_final:
                call.is_running = False
            return ResultFate.IS_DROPPED
        if is_final:
            call.is_running = False
            call.is_settled = True
        return ResultFate.ANSWERS if call.session == self._session else ResultFate.IS_REPORTED

    def model_id(self, key: str) -> str | None:
        """Return the model's id for a call of the current session; None for one of another."""
        call = self._calls.get(key)
        return call.model_id if call is not None and call.session == self._session else None

    def _key(self, model_id: str) -> str | None:
        """Return the bot's id for a call of the current session."""
        return next(
            (
                key
                for key, call in self._calls.items()
                if call.model_id == model_id and call.session == self._session
            ),
            None,
        )

    def _forget_the_oldest(self) -> None:
        settled = [key for key, call in self._calls.items() if call.is_settled and not call.is_running]
        for key in settled[: max(0, len(self._calls) - MOST_REMEMBERED)]:
            del self._calls[key]
