"""The judgement whether a person can hear an utterance, made from its PCM audio as it passes."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

THRESHOLD: Final = 146.0
"""How loud 20 ms must be to count as sound: the root mean square of 16-bit samples, -47 dB of full scale.

Telephony plays speech at -26 dB (ITU-T P.56, G.191), so this is speech turned down by 21 dB, about as loud
as a quiet room. Noise of amplitude 40, which nobody hears, is at least 11 dB below it.
"""
WINDOW_SECONDS: Final = 0.02
SOUND_SECONDS: Final = 0.1
"""How much sound within `STRETCH_SECONDS` makes an utterance audible. A word has more, a click less."""
STRETCH_SECONDS: Final = 0.5
"""Clicks a second apart don't add up to sound."""

_WINDOWS_OF_SOUND: Final = round(SOUND_SECONDS / WINDOW_SECONDS)
_WINDOWS_OF_STRETCH: Final = round(STRETCH_SECONDS / WINDOW_SECONDS)
_SAMPLE_BYTES: Final = 2


class Audibility:
    """Judges one utterance at a time. A chunk of 20 to 40 ms takes about 15 µs.

    Each 20 ms count on their own and without their mean, because a constant is not sound. Where chunks begin
    and end doesn't matter.

    Attributes:
        began_at: When the utterance's first audible sound passed; None while nothing of it was audible.
        last_at: When its latest audible sound passed.
    """

    def __init__(self) -> None:
        self.began_at: float | None = None
        self.last_at: float | None = None
        self._format = (0, 0)
        self._rest = b""
        self._windows = 0
        self._loud: deque[tuple[int, float]] = deque(maxlen=_WINDOWS_OF_SOUND)

    @property
    def is_audible(self) -> bool:
        """True once enough of the utterance has been loud enough."""
        return self.began_at is not None

    def begin_utterance(self) -> None:
        """Forget the utterance; the next chunk begins another."""
        self.began_at = self.last_at = None
        self._rest = b""
        self._windows = 0
        self._loud.clear()

    def hear(self, pcm: bytes, sample_rate: int, channels: int, now: float) -> bool:
        """Take the utterance's next chunk.

        Args:
            pcm: Signed little-endian 16-bit samples, all channels in turn. A chunk may end within one.
            sample_rate: Samples per second and channel.
            channels: How many channels there are. The loudest one counts.
            now: Seconds on a monotonic clock.

        Returns:
            Whether this chunk contains audible sound; then `last_at` is `now`.
        """
        if sample_rate <= 0 or channels <= 0:
            return False
        if (sample_rate, channels) != self._format:
            self._format = (sample_rate, channels)
            self._rest = b""
        is_heard = False
        for window in self._loud_windows(pcm):
            self._loud.append((window, now))
            first, then = self._loud[0]
            if len(self._loud) == _WINDOWS_OF_SOUND and window - first < _WINDOWS_OF_STRETCH:
                is_heard = True
                self.last_at = now
                if self.began_at is None:
                    self.began_at = then
        return is_heard

    def _loud_windows(self, pcm: bytes) -> list[int]:
        """Return the numbers of the utterance's windows that this chunk completes and that are loud."""
        sample_rate, channels = self._format
        length = max(1, round(sample_rate * WINDOW_SECONDS))
        audio = self._rest + pcm
        count = len(audio) // (length * channels * _SAMPLE_BYTES)
        self._rest = audio[count * length * channels * _SAMPLE_BYTES :]
        if not count:
            return []
        samples = np.frombuffer(audio, np.dtype("<i2"), count * length * channels)
        windows = samples.reshape(count, length, channels).astype(np.float32)
        loudness = windows.std(axis=1).max(axis=1)
        began, self._windows = self._windows, self._windows + count
        return [began + int(window) for window in np.flatnonzero(loudness >= THRESHOLD)]
