"""A limit on how much the model hears of a caller: never more seconds of sound than have passed."""

from __future__ import annotations

from typing import Final

from podline.bucket import Bucket, Clock

BURST_SECONDS: Final = 3.0
"""How much late audio may arrive at once. A connection that stalls for longer counts as lost."""


class Hearing:
    """Limits incoming audio to real time, whatever rate and frame size a modified client sends."""

    def __init__(self, clock: Clock) -> None:
        self._bucket = Bucket(BURST_SECONDS, 1.0, clock)
        self._dropped = 0.0
        self.is_closed = False

    def admits(self, frames: int, sample_rate: int) -> bool:
        """Return whether the model may hear this much more audio; count it as dropped if not."""
        if frames <= 0 or sample_rate <= 0:
            return False
        seconds = frames / sample_rate
        if self._bucket.take(seconds):
            return True
        self._dropped += seconds
        return False

    def close(self) -> None:
        """Let the model hear only silence from now on."""
        self.is_closed = True

    def drain(self) -> float:
        """Return the seconds dropped since the last time."""
        dropped, self._dropped = self._dropped, 0.0
        return dropped
