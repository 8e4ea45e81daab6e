"""The answer that the model owes the caller: one that can be heard, in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from podline.audibility import SOUND_SECONDS, Audibility

Cause = Literal["empty_turn", "inaudible", "no_answer"]

GRACE_SECONDS: Final = 1.0
"""How long the answer to a tool's result may take to begin once the turn that called the tool is over."""
_SAMPLE_BYTES: Final = 2


class OwedReply:
    """The reply that is due, if one is. Thoughts, transcriptions and inaudible sounds don't count.

    Attributes:
        is_owed: True from the caller's turn until an answer to it was heard and is complete.
        has_called_tool: True from a tool call until the turn that made it is over.
    """

    def __init__(self, patience: float | None, clock: Callable[[], float]) -> None:
        """Prepare.

        Args:
            patience: Seconds without audible audio after which a reply is overdue; None for never.
            clock: Seconds on a monotonic clock.
        """
        self._patience = patience
        self._clock = clock
        self._audibility = Audibility()
        self._other_answer = Audibility()
        self._since = 0.0
        self._queued_until = 0.0
        self._heard_until = 0.0
        self._must_begin_by: float | None = None
        self._sound_seconds = 0.0
        self.has_called_tool = False
        self._is_cut_short = False
        self._is_stale = False
        self._is_written = False
        self.is_owed = False

    @property
    def is_audible(self) -> bool:
        """True once the caller hears something of the answer, or a text-to-speech service has some of it."""
        return self._is_written or self._audibility.is_audible

    @property
    def _has_sound(self) -> bool:
        """True if the answer has had time to become audible."""
        return self._sound_seconds > SOUND_SECONDS

    @property
    def heard_until(self) -> float:
        """When the last audible sound so far will have been played."""
        return self._heard_until

    @property
    def cause(self) -> Cause:
        """What the model did instead of an answer that can be heard."""
        if self._has_sound and not self.is_audible:
            return "inaudible"
        return "no_answer" if self._must_begin_by is None else "empty_turn"

    @property
    def due_at(self) -> float | None:
        """The moment from which the reply is overdue; None if there is none."""
        if self._patience is None or not self.is_owed:
            return None
        due = max(self._since, self._heard_until if self.is_audible else self._since) + self._patience
        return due if self._must_begin_by is None else min(due, self._must_begin_by)

    @property
    def is_cut_short(self) -> bool:
        """True from an interruption until the turn it cuts short is over."""
        return self._is_cut_short

    def ask(self, *, while_answering: bool = False, has_begun: bool = False) -> None:
        """Note that an answer is due from now on.

        Args:
            while_answering: True if what the model still sends belongs to another answer.
            has_begun: True if what the model sends already belongs to this answer.
        """
        self.is_owed = True
        self._since = self._clock()
        self._is_stale = while_answering
        if while_answering:
            # The caller waits once the other answer has been played.
            self._since = max(self._since, self._heard_until)
            self._other_answer.begin_utterance()
        if not has_begun:
            self._begin()

    def wait_anew(self) -> None:
        """Note that the wait begins now: the model could not answer before."""
        self._since = self._clock()

    def ask_again(self) -> None:
        """Note that the answer was asked for again. How late it is counts from when it was first due."""
        self._begin()

    def withdraw(self) -> None:
        """Note that nothing is due: the caller speaks again."""
        self.is_owed = False
        self.has_called_tool = False
        self._queued_until = self._clock()
        self._begin()

    def heard(self, pcm: bytes, sample_rate: int) -> None:
        """Take a chunk of the answer's audio on its way to the caller."""
        now = self._clock()
        seconds = len(pcm) / _SAMPLE_BYTES / sample_rate
        self._queued_until = max(self._queued_until, now) + seconds
        if self._is_stale:
            if self._other_answer.hear(pcm, sample_rate, 1, now):
                self._since = self._queued_until
            return
        self._is_cut_short = False
        self._sound_seconds += seconds
        if self._audibility.hear(pcm, sample_rate, 1, now):
            self._heard_until = self._queued_until
            self._must_begin_by = None

    def wrote(self) -> None:
        """Note some of an answer that is written for a text-to-speech service to speak."""
        now = self._clock()
        if self._is_stale:
            self._since = now
            return
        self._is_cut_short = False
        self._is_written = True
        self._heard_until = now
        self._must_begin_by = None

    def called_tool(self) -> None:
        """Note that a tool call was accepted, which counts as an answer until the tool returns."""
        self._is_cut_short = self._is_stale = False
        self.has_called_tool = True
        self.is_owed = False

    def interrupted(self) -> None:
        """Note that the model cuts its answer short. Neither what it said nor its completion is a reply."""
        now = self._clock()
        self._since = now if self.is_audible else min(self._since, now)
        self._is_cut_short = True
        self._is_stale = False
        self._queued_until = self._heard_until = now
        self._begin()

    def connection_ended(self) -> None:
        """Note that nothing more comes of the turns that the model has begun."""
        self._is_cut_short = self._is_stale = self.has_called_tool = False

    def generation_completed(self) -> None:
        """Note that all of the answer was sent."""
        if self.is_owed and self.is_audible and not (self._is_stale or self._is_cut_short):
            self.is_owed = False

    def turn_completed(self) -> Cause | None:
        """Note that a turn is over; if it should have been the answer and was none, return the cause."""
        is_another = self._is_cut_short or self._is_stale
        called_tool, self.has_called_tool = self.has_called_tool, False
        self._is_cut_short = self._is_stale = False
        if is_another or not self.is_owed:
            return None
        if self.is_audible or self._patience is None:
            self.is_owed = False
            return None
        if called_tool and not self._sound_seconds:
            # The tool was fast: this completes the turn that called it, and the answer is yet to begin.
            self._must_begin_by = self._clock() + GRACE_SECONDS
            return None
        return "inaudible" if self._has_sound else "empty_turn"

    def _begin(self) -> None:
        self._audibility.begin_utterance()
        self._is_written = False
        self._sound_seconds = 0.0
        self._must_begin_by = None
