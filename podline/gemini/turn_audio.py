"""The audio of the caller's turns, kept until they are answered, for a connection that has not heard them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

LONGEST_SECONDS: Final = 60.0
"""How much of a turn is kept, the latest: 2 MB."""
_BYTES_PER_SAMPLE: Final = 2


class TurnAudio:
    """Keeps the unanswered turns, and as much of the silence before one as may hide its beginning."""

    def __init__(self, beginning_seconds: float) -> None:
        self._beginning_seconds = beginning_seconds
        self._before: deque[tuple[bytes, int]] = deque()
        self._turn: deque[tuple[bytes, int]] = deque()
        self._before_seconds = 0.0
        self._turn_seconds = 0.0
        self._is_open = False

    def __bool__(self) -> bool:
        return bool(self._turn)

    def hear(self, audio: bytes, sample_rate: int) -> None:
        """Take mono 16-bit audio, in order."""
        if sample_rate <= 0 or not audio:
            return
        if self._is_open:
            self._turn.append((audio, sample_rate))
            self._turn_seconds += _seconds(audio, sample_rate)
            self._turn_seconds = _trim(self._turn, self._turn_seconds, LONGEST_SECONDS)
        else:
            self._before.append((audio, sample_rate))
            self._before_seconds += _seconds(audio, sample_rate)
            self._before_seconds = _trim(self._before, self._before_seconds, self._beginning_seconds)

    def begin(self) -> None:
        """Begin a turn with the audio just before. It follows those that were not answered."""
        if not self._is_open:
            self._turn += self._before
            self._turn_seconds += self._before_seconds
            self._turn_seconds = _trim(self._turn, self._turn_seconds, LONGEST_SECONDS)
            self._before, self._before_seconds = deque(), 0.0
            self._is_open = True

    def end(self) -> None:
        self._is_open = False

    def forget(self) -> None:
        """Drop the turns that were answered. One that has begun since is kept."""
        if not self._is_open:
            self._turn = deque()
            self._turn_seconds = 0.0

    def chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield the turns' audio with its sample rate."""
        yield from tuple(self._turn)


def _seconds(audio: bytes, sample_rate: int) -> float:
    return len(audio) / _BYTES_PER_SAMPLE / sample_rate


def _trim(chunks: deque[tuple[bytes, int]], seconds: float, most: float) -> float:
    """Drop the oldest chunks beyond `most` seconds; return the seconds left."""
    while chunks and seconds - (oldest := _seconds(*chunks[0])) >= most:
        chunks.popleft()
        seconds -= oldest
    return seconds
