"""The caller's turns as the model's own voice detection lets them be known: by what it transcribes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from podline.audibility import Audibility

LATE_SECONDS: Final = 0.5
"""How long after an answer a transcription still belongs to the question. Transcriptions come in no certain
order with answers (`LiveServerContent`), and those of a turn that follows continue for longer."""
LONGEST_SECONDS: Final = 30.0
"""How long the caller's sound postpones the moment at which an answer is due. Noise may go on for ever."""
RECENT_SECONDS: Final = 3.0
"""How long ago the caller was heard, if the server has yet to notice. It waits for the end of a turn."""


class ServerTurns:
    """Follows the caller's turns where only the server detects them.

    It sends no sign of a turn's beginning or end (Gemini Enterprise may). So an answer is due for what it
    transcribes, and for an interruption, and the wait begins when the caller is quiet.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._sound = Audibility()
        self._answered_at: float | None = None
        self._began_at: float | None = None

    @property
    def is_unnoticed(self) -> bool:
        """True if the caller was heard a moment ago, after the last answer, and the server said nothing."""
        heard_at = self._sound.last_at
        if heard_at is None or self._began_at is not None:
            return False
        is_recent = self._clock() - heard_at < RECENT_SECONDS
        return is_recent and (self._answered_at is None or heard_at > self._answered_at)

    @property
    def is_open(self) -> bool:
        """True from a turn's first sign until it is answered."""
        return self._began_at is not None

    def noticed(self) -> bool:
        """Note a sign that the caller speaks; return False if it concerns a turn that was answered."""
        now = self._clock()
        if self._answered_at is not None and now - self._answered_at < LATE_SECONDS:
            return False
        if self._began_at is None:
            self._began_at = now
        return True

    def heard(self, pcm: bytes, sample_rate: int, channels: int) -> bool:
        """Take the caller's audio; return True if they still speak in an open turn."""
        now = self._clock()
        is_sound = self._sound.hear(pcm, sample_rate, channels, now)
        return is_sound and self._began_at is not None and now - self._began_at < LONGEST_SECONDS

    def answered(self) -> None:
        """Note the end of the model's turn."""
        self._answered_at = self._clock()
        self._began_at = None

    def closed(self) -> None:
        """Note that no answer is due."""
        self._began_at = None
