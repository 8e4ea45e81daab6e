"""Turns of callers whose bot leaves it to the model to notice them, as Gemini Live and OpenAI Realtime do."""

from __future__ import annotations

from typing import Final

from pipecat.frames.frames import LLMFullResponseStartFrame, TranscriptionFrame, UserStartedSpeakingFrame
from pipecat.observers.base_observer import BaseObserver, FramePushed

from podline.bucket import Clock
from podline.contract.messages import TurnEnded
from podline.runner.observers.measurements import RecordEvent

LATE_SECONDS: Final = 0.5
"""How long after an answer has begun words still belong to its question: models send the two in no certain
order."""


class HeardTurnObserver(BaseObserver):
    """Counts a turn by the first words that the model heard since its last answer began.

    It counts none once Pipecat itself reports when the caller speaks: `SpeakingObserver` counts those turns.
    """

    def __init__(self, record: RecordEvent, clock: Clock) -> None:
        super().__init__(observe_every_push=False)
        self._record = record
        self._clock = clock
        self._pipecat_reports = False
        self._has_words = False
        self._answered_at: float | None = None

    async def on_push_frame(self, data: FramePushed) -> None:
        match data.frame:
            case UserStartedSpeakingFrame():
                self._pipecat_reports = True
            case LLMFullResponseStartFrame():
                self._answered_at = self._clock()
            case TranscriptionFrame(text=text) if text.strip() and not self._is_of_counted_turn():
                self._has_words, self._answered_at = True, None
                if not self._pipecat_reports:
                    self._record(TurnEnded())

    def _is_of_counted_turn(self) -> bool:
        is_late = self._answered_at is None or self._clock() - self._answered_at < LATE_SECONDS
        return self._has_words and is_late
