"""Bookkeeping of a call's usage, and of how much of it the controller has counted. No network."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final, Literal

from podline.contract.arithmetic import MAX_MODELS, MAX_SERVICES, MAX_TOOLS, NOTHING, OTHER, key_of, plus
from podline.contract.messages import (
    BotTimeline,
    Event,
    Report,
    Synthesized,
    TokensUsed,
    ToolCalled,
    Transcribed,
)
from podline.contract.usage import Usage
from podline.contract.version import CONTRACT

Moment = Literal["process_up", "joined", "caller_joined", "first_speech"]

MAX_BATCH_EVENTS: Final = 100
"""Keeps a report far below `MAX_REPORT_BYTES`: an event has at most about 450 bytes."""

MAX_PENDING_EVENTS: Final = 5000
"""About an hour of a lively call without a controller."""

URGENT_TOKENS: Final = 5_000
"""This many unreported tokens or characters are reported at once: the controller enforces the budget."""


class Outbox:
    """Keeps the totals and the timeline of one call, and returns its events in numbered batches.

    A batch stays unchanged until it is acknowledged or given up, so that the controller recognises a
    repetition by its number. Events given up or dropped stay in the totals and never enter the acknowledged
    ones: the final report makes up for them.
    """

    def __init__(self, uptime: Callable[[], float]) -> None:
        """`uptime` returns the seconds since the process began."""
        self._uptime = uptime
        self._pending: deque[Event] = deque()
        self._batch: tuple[Event, ...] | None = None
        self._seq = 1
        self._acked = 0
        self._moments: dict[Moment, float] = {}
        self._batch_has_speech = self._speech_is_acked = False
        self.totals = NOTHING
        self.acked_totals = NOTHING
        self.dropped = 0
        self._tokens_waiting = 0
        self.moment_reached = asyncio.Event()
        """Set at each marked moment, and when many tokens were used; the immediate report clears it."""
        self.on_acknowledged: Callable[[], None] = lambda: None
        """Called after each acknowledged batch."""
        self.contract = CONTRACT
        """What reports are written in; the session's, once it is known."""

    def record(self, event: Event) -> None:
        """Record an event."""
        event = _within_limits(event, self.totals)
        self.totals = plus(self.totals, event)
        self._pending.append(event)
        self._hurry_if_costly(event)
        if len(self._pending) > MAX_PENDING_EVENTS:
            self._pending.popleft()
            self.dropped += 1

    def mark(self, moment: Moment, ago: float = 0.0) -> None:
        """Record when this moment was reached, `ago` seconds before now; only the first time counts."""
        if moment not in self._moments:
            self._moments[moment] = max(0.0, self._uptime() - ago)
            self.moment_reached.set()

    @property
    def timeline(self) -> BotTimeline:
        return BotTimeline(now=self._uptime(), first_speech_acked=self._speech_is_acked, **self._moments)

    @property
    def acked(self) -> int:
        """The number of the last acknowledged batch, 0 before the first."""
        return self._acked

    @property
    def is_settled(self) -> bool:
        """True if every event has been acknowledged, given up or dropped."""
        return self._batch is None and not self._pending

    @property
    def has_full_batch(self) -> bool:
        """True if enough is waiting to send it at once."""
        return len(self._pending) >= MAX_BATCH_EVENTS

    def report(self) -> Report:
        """Return the current batch or the next one, which may be empty, with the current totals."""
        if self._batch is None:
            size = min(len(self._pending), MAX_BATCH_EVENTS)
            self._batch = tuple(self._pending.popleft() for _ in range(size))
            # If a batch is sent again, only its first timeline is certain to have arrived with it.
            self._batch_has_speech = "first_speech" in self._moments
        self._tokens_waiting = 0  # the totals include them all
        return Report(
            seq=self._seq,
            acked=self._acked,
            events=list(self._batch),
            totals=self.totals,
            timeline=self.timeline,
            contract=self.contract,
        )

    def acknowledge(self, ack: int) -> bool:
        """Close the current batch if `ack` covers it; return whether it did."""
        if self._batch is None or ack < self._seq:
            return False
        for event in self._batch:
            self.acked_totals = plus(self.acked_totals, event)
        self._acked = self._seq
        self._speech_is_acked = self._batch_has_speech
        self._close_batch()
        self.on_acknowledged()
        return True

    def give_up(self) -> None:
        """Close the current batch uncounted: the controller will never accept it."""
        if self._batch is not None:
            self.dropped += len(self._batch)
            self._close_batch()

    def _hurry_if_costly(self, event: Event) -> None:
        match event:
            case TokensUsed(tokens=tokens):
                self._tokens_waiting += tokens.prompt_tokens + tokens.completion_tokens
            case Synthesized(characters=characters):
                self._tokens_waiting += characters
            case _:
                return
        if self._tokens_waiting >= URGENT_TOKENS:
            self.moment_reached.set()

    def _close_batch(self) -> None:
        self._batch = None
        self._seq += 1


def _within_limits(event: Event, totals: Usage) -> Event:
    """Return the event, renamed to `OTHER` if one of its own names would be one too many for `Usage`."""
    match event:
        case TokensUsed() | Transcribed() | Synthesized():
            if _is_beyond(event.model, totals.models, MAX_MODELS):
                event = replace(event, model=OTHER)
            if event.service and _is_beyond(
                key_of(event.service, event.model), totals.services, MAX_SERVICES
            ):
                event = replace(event, service=OTHER)
            return event
        case ToolCalled(name=name) if _is_beyond(name, totals.tool_calls, MAX_TOOLS):
            return replace(event, name=OTHER)
        case _:
            return event


def _is_beyond(name: str, known: Collection[str], limit: int) -> bool:
    return name not in known and len(known) >= limit - 1
