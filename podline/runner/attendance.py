"""Who is in the call, how long either side may stay away, and the first reason to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from podline.contract.reasons import TERMINATED, Reason
from podline.contract.text import printable
from podline.errors import BotError
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding

MAX_MESSAGE: Final = 500
"""How many characters of a sentence of the bot's own a session's record keeps."""


@dataclass(frozen=True)
class CallLimits:
    """How long, in seconds, a call lasts without what it needs: see `podline.runner.settings`."""

    no_caller: float
    return_grace: float
    max_duration: float


class Attendance:
    """The moments and deadlines of one call. Implements `podline.runner.room.protocols.Presence`.

    Attributes:
        ending: Done as soon as the call must end.
        caller_came: Set once the caller has joined for the first time.
        caller_gone: Set while a caller who had joined is away.
        time_is_short: Set when at most `warning_seconds` of the maximum duration are left.
        on_presence: Called when the caller has come or gone.
    """

    def __init__(self, outbox: Outbox, limits: CallLimits) -> None:
        self._outbox = outbox
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._no_caller: asyncio.TimerHandle | None = None
        self._return: asyncio.TimerHandle | None = None
        self._has_joined = False
        self.ending: asyncio.Future[CallEnding] = self._loop.create_future()
        self.caller_came = asyncio.Event()
        self.caller_gone = asyncio.Event()
        self.time_is_short = asyncio.Event()
        self.on_presence: Callable[[], None] = lambda: None

    @property
    def caller_is_here(self) -> bool:
        """True while the caller can hear the bot."""
        return self.caller_came.is_set() and not self.caller_gone.is_set()

    @property
    def warning_seconds(self) -> float:
        """How long before the maximum duration the caller is warned: half a minute, less in a short call."""
        return min(30.0, self._limits.max_duration / 4)

    def joined(self) -> None:
        if self._has_joined:
            return
        self._has_joined = True
        self._outbox.mark("joined")
        seconds = self._limits.no_caller
        absent = CallEnding(Reason.NO_CALLER, f"The caller did not join within {seconds:g} seconds.")
        if not self.caller_came.is_set():
            self._no_caller = self._loop.call_later(seconds, self.end, absent)
        seconds = self._limits.max_duration
        over = f"The call reached its maximum duration of {seconds:g} seconds."
        self._loop.call_later(seconds - self.warning_seconds, self.time_is_short.set)
        self._loop.call_later(seconds, self.end, CallEnding(Reason.MAX_DURATION, over, goodbye="ask"))

    def caller_joined(self) -> None:
        self._outbox.mark("caller_joined")
        self.caller_came.set()
        self.caller_gone.clear()
        for deadline in (self._no_caller, self._return):
            if deadline is not None:
                deadline.cancel()
        self.on_presence()

    def caller_left(self, *, abruptly: bool) -> None:
        self.caller_gone.set()
        self.on_presence()
        if not abruptly:
            self.end(CallEnding(Reason.CALLER_LEFT, "The caller left the call."))
            return
        seconds = self._limits.return_grace
        lost = f"The caller lost the connection and did not come back within {seconds:g} seconds."
        self._return = self._loop.call_later(seconds, self.end, CallEnding(Reason.CALLER_LEFT, lost))

    def room_failed(self, error: BotError) -> None:
        self.end(CallEnding.of(error))

    def fell_silent(self, seconds: float) -> None:
        """End the call if the caller is here: neither side has spoken for this long."""
        if self.caller_is_here:
            silent = f"Neither side spoke for {seconds:g} seconds."
            self.end(CallEnding(Reason.IDLE, silent, goodbye="ask"))

    def complete(self, what_happened: str | None = None) -> None:
        """End the call on the bot's own initiative; its goodbye comes next."""
        message = printable(what_happened or "", MAX_MESSAGE) or "The bot said goodbye and left."
        self.end(CallEnding(Reason.COMPLETED, message, goodbye="awaited"))

    def budget_spent(self) -> None:
        """End the call because the controller reports that its budget is used up."""
        spent = "The call used up its budget. Start another one to continue."
        self.end(CallEnding(Reason.BUDGET_SPENT, spent, goodbye="ask"))

    def stop(self) -> None:
        """End the call because the controller asks for it."""
        self.end(CallEnding(Reason.STOPPED, "The session was stopped on request.", goodbye="ask"))

    def terminate(self) -> None:
        """End the call because of a signal; the controller knows why it was sent."""
        self.end(CallEnding(TERMINATED, "A signal stopped the bot.", goodbye="ask"))

    def end(self, ending: CallEnding) -> None:
        if not self.ending.done():
            self.ending.set_result(ending)
