"""Voice activity: events for when the caller speaks, by the loudness of a stream of samples."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec
import numpy as np

from sandbox.ears import HEARING_RATE
from sandbox.voice import Samples, loudness

_FRAME: Final = 320
_FRAME_SECONDS: Final = _FRAME / HEARING_RATE

_QUIETEST_SPEECH: Final = 250.0
"""Root mean square below which a frame is silence; espeak after Opus is near 2,500, a hushed room near 50."""

_ABOVE_NOISE: Final = 3.0
"""Speech is this many times as loud as the noise around it."""

_NOISE_RISE: Final = 1.01
"""How fast the estimate of the noise follows a louder room: threefold in 2.2 seconds."""

_LOUD_FRAMES_TO_START: Final = 6
_FRAMES_TO_START: Final = 10
"""0.12 s of speech within 0.2 s begin an utterance: a click does not."""

_FRAMES_BEFORE: Final = 25
"""0.5 s from before that are heard as well, since a soft consonant begins below the threshold."""


class SpeechStarted(msgspec.Struct, frozen=True):
    """The caller has begun to speak; `samples` is what was heard so far, its soft beginning included."""

    samples: Samples


class SpeechGoesOn(msgspec.Struct, frozen=True):
    samples: Samples


class SpeechEnded(msgspec.Struct, frozen=True):
    """The caller has been silent for `silence` seconds."""

    silence: float


Activity = SpeechStarted | SpeechGoesOn | SpeechEnded


class ActivityDetector:
    """Finds utterances in a stream of samples at `HEARING_RATE`."""

    def __init__(self, end_of_speech: float) -> None:
        self._frames_to_end = max(1, round(end_of_speech / _FRAME_SECONDS))
        self._rest: Samples = np.zeros(0, np.int16)
        self._before: deque[Samples] = deque(maxlen=_FRAMES_BEFORE)
        self._recent: deque[bool] = deque(maxlen=_FRAMES_TO_START)
        self._noise = _QUIETEST_SPEECH / _ABOVE_NOISE
        self._silent_frames = 0
        self._speaking = False

    def feed(self, samples: Samples) -> list[Activity]:
        """Take the next samples; return what they begin, continue or end."""
        samples = np.concatenate([self._rest, samples])
        whole = samples.size - samples.size % _FRAME
        self._rest = samples[whole:]
        return [
            activity
            for start in range(0, whole, _FRAME)
            if (activity := self._feed_frame(samples[start : start + _FRAME])) is not None
        ]

    def end(self) -> list[Activity]:
        """The stream has ended, and with it whatever was being said."""
        if not self._speaking:
            return []
        return [self._end()]

    def _feed_frame(self, frame: Samples) -> Activity | None:
        loud = self._is_loud(frame)
        return self._feed_speech(frame, loud=loud) if self._speaking else self._feed_silence(frame, loud=loud)

    def _feed_speech(self, frame: Samples, *, loud: bool) -> Activity:
        self._silent_frames = 0 if loud else self._silent_frames + 1
        if self._silent_frames >= self._frames_to_end:
            return self._end()
        return SpeechGoesOn(frame)

    def _feed_silence(self, frame: Samples, *, loud: bool) -> Activity | None:
        self._before.append(frame)
        self._recent.append(loud)
        if sum(self._recent) < _LOUD_FRAMES_TO_START:
            return None
        self._speaking = True
        self._silent_frames = 0
        heard = np.concatenate(self._before)
        self._before.clear()
        self._recent.clear()
        return SpeechStarted(heard)

    def _end(self) -> SpeechEnded:
        silence = self._silent_frames * _FRAME_SECONDS
        self._speaking = False
        self._silent_frames = 0
        return SpeechEnded(silence)

    def _is_loud(self, frame: Samples) -> bool:
        level = loudness(frame)
        if not self._speaking:
            self._noise = min(max(level, 1.0), self._noise * _NOISE_RISE)
        return level > max(_QUIETEST_SPEECH, self._noise * _ABOVE_NOISE)
