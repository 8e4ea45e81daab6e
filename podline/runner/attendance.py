"""Who is in the call, how long either side may stay away, and what ends it: the first reason counts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

from podline.contract.reasons import TERMINATED, Reason
from podline.errors import BotError
from podline.runner.channel.outbox import Outbox

UNHURRIED_SECONDS: Final = 20.0
"""How long a bot may take to leave a call that nobody has asked it to end."""


@dataclass(frozen=True)
class Ending:
    """Why a call ends.

    Attributes:
        reason: One of the reasons a bot can give itself, or `terminated`.
        message: One sentence for a person.
        goodbye: Whether nobody says goodbye, the model is asked for it, or the model is about to anyway.
    """

    reason: Reason | Literal["terminated"]
    message: str
    goodbye: Literal["none", "ask", "awaited"] = "none"

    @property
    def is_ordered(self) -> bool:
        """Whether somebody has asked for the end, and waits for the process to be gone."""
        return self.reason in (TERMINATED, Reason.STOPPED, Reason.BUDGET_SPENT)

    @classmethod
    def of(cls, error: BotError) -> Ending:
        return cls(error.reason, error.message)

    @classmethod
    def of_bug(cls, error: BaseException) -> Ending:
        """The ending that an error nobody foresaw makes; a group's first error stands for all of them."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, MemoryError):
            return cls(Reason.OUT_OF_MEMORY, "The bot had no memory left; give it more.")
        return cls(Reason.CRASHED, f"The bot crashed with {type(error).__name__}; see the bot's log.")


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, a call lasts without what it needs: see `podline.runner.settings.Settings`."""

    no_caller: float
    return_grace: float
    max_duration: float


class Attendance:
    """Keeps the moments and the deadlines of one call. Implements `podline.runner.room.presence.Presence`.

    Attributes:
        ending: Done as soon as the call has to end.
        caller_came: Set when the caller is here for the first time.
        caller_gone: Set while the caller has come and is not here.
        time_is_short: Set when no more than `warning_seconds` are left of the maximum duration.
    """

    def __init__(self, ledger: Outbox, patience: Patience) -> None:
        self._ledger = ledger
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._no_caller: asyncio.TimerHandle | None = None
        self._return: asyncio.TimerHandle | None = None
        self._has_joined = False
        self.ending: asyncio.Future[Ending] = self._loop.create_future()
        self.caller_came = asyncio.Event()
        self.caller_gone = asyncio.Event()
        self.time_is_short = asyncio.Event()

    @property
    def caller_is_here(self) -> bool:
        """Whether anybody can hear the bot just now."""
        return self.caller_came.is_set() and not self.caller_gone.is_set()

    @property
    def warning_seconds(self) -> float:
        """How long before the maximum duration the caller is told: half a minute, less in a short call."""
        return min(30.0, self._patience.max_duration / 4)

    def joined(self) -> None:
        if self._has_joined:
            return
        self._has_joined = True
        self._ledger.mark("joined")
        seconds = self._patience.no_caller
        nobody = Ending(Reason.NO_CALLER, f"Nobody came within {seconds:g} seconds.")
        if not self.caller_came.is_set():
            self._no_caller = self._loop.call_later(seconds, self.end, nobody)
        seconds = self._patience.max_duration
        over = f"The call reached its maximum duration of {seconds:g} seconds."
        self._loop.call_later(seconds - self.warning_seconds, self.time_is_short.set)
        self._loop.call_later(seconds, self.end, Ending(Reason.MAX_DURATION, over, goodbye="ask"))

    def caller_joined(self) -> None:
        self._ledger.mark("caller_joined")
        self.caller_came.set()
        self.caller_gone.clear()
        for deadline in (self._no_caller, self._return):
            if deadline is not None:
                deadline.cancel()

    def caller_left(self, *, abruptly: bool) -> None:
        self.caller_gone.set()
        if not abruptly:
            self.end(Ending(Reason.CALLER_LEFT, "The caller left the call."))
            return
        seconds = self._patience.return_grace
        lost = f"The caller's connection was lost, and they did not come back within {seconds:g} seconds."
        self._return = self._loop.call_later(seconds, self.end, Ending(Reason.CALLER_LEFT, lost))

    def room_failed(self, error: BotError) -> None:
        self.end(Ending.of(error))

    def fell_silent(self, seconds: float) -> None:
        """Neither side has spoken for this long."""
        if self.caller_is_here:
            silent = f"Neither side spoke for {seconds:g} seconds."
            self.end(Ending(Reason.IDLE, silent, goodbye="ask"))

    def bot_says_goodbye(self) -> None:
        """The model ends the call of its own."""
        self.end(Ending(Reason.COMPLETED, "The bot said goodbye and left.", goodbye="awaited"))

    def budget_spent(self) -> None:
        """The controller has asked for the end since the session's budget is used up."""
        spent = "The call has used up its budget. Start another one to go on."
        self.end(Ending(Reason.BUDGET_SPENT, spent, goodbye="ask"))

    def stop(self) -> None:
        """The controller has asked for the end."""
        self.end(Ending(Reason.STOPPED, "The session was stopped on request.", goodbye="ask"))

    def terminate(self) -> None:
        """SIGTERM has come; the controller knows why."""
        self.end(Ending(TERMINATED, "The bot was told to stop by a signal.", goodbye="ask"))

    def end(self, ending: Ending) -> None:
        if not self.ending.done():
            self.ending.set_result(ending)
