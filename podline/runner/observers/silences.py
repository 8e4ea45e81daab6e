"""Silences: neither side of a conversation has spoken for too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from podline.contract.messages import SILENCE_SECONDS, Silence
from podline.timer import Timer

Side = Literal["caller", "bot"]


class Silences:
    """Records each silence once it has lasted for `SILENCE_SECONDS`, including one at the end of a call."""

    def __init__(self, record: Callable[[Silence], None], caller_is_here: Callable[[], bool]) -> None:
        self._record = record
        self._caller_is_here = caller_is_here
        self._speaking: set[Side] = set()
        self._timer = Timer()

    def began(self, side: Side) -> None:
        """Note that this side began to speak."""
        self._speaking.add(side)
        self._timer.cancel()

    def stopped(self, side: Side, ago: float) -> None:
        """Note that this side stopped speaking this many seconds ago."""
        self._speaking.discard(side)
        self._timer.cancel()
        if not self._speaking:
            self._timer.start(SILENCE_SECONDS - ago, self._is_silent, side)

    def _is_silent(self, after: Side) -> None:
        if self._caller_is_here():
            self._record(Silence(after=after))
