"""A scripted caller's mouth and ear: a track that speaks on a 20 ms clock, and a log of what is heard."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from sandbox.voice import Samples, loudness

RATE: Final = 48_000
FRAME_SECONDS: Final = 0.02
_FRAME: Final = int(RATE * FRAME_SECONDS)

PLAYER_BUFFER_SECONDS: Final = 0.1
"""What a browser holds back at most before it has to play: NetEq keeps 40 to 100 ms on a quiet network."""

NOISE: Final = 30.0
"""Standard deviation of the noise between utterances: a quiet room, -61 dB. Nobody's room sends zeros."""

_SOUND: Final = 150.0
"""Root mean square from which a received frame counts as sound. Speech lies around 2,000."""

_PAUSE: Final = 0.4
"""Seconds without sound that part one stretch of speech from the next."""

_AUDIBLE_FRAMES: Final = 5
_AUDIBLE_WITHIN: Final = 0.5
"""So many frames of sound within so many seconds are audible. A few clicks are not."""


class Mouth(MediaStreamTrack):
    """Sends what it is given to say, and room noise otherwise, in frames paced by the clock."""

    kind = "audio"

    def __init__(self, random: np.random.Generator) -> None:
        super().__init__()
        self.is_muted = False
        self._random = random
        self._utterance: Samples = np.zeros(0, np.int16)
        self._finished: asyncio.Future[float] | None = None
        self._started: float | None = None
        self._sent = 0

    def say(self, speech: Samples) -> asyncio.Future[float]:
        """Begin to speak, and return a future of the moment the last sample went out.

        Like a sound card, the track sends a frame when its last sample would have been recorded, so that
        moment is the end of the speech. It is a value of `time.monotonic`. A connection that breaks ends the
        track and with it the speech.
        """
        if self._utterance.size:
            raise RuntimeError("the caller is still speaking")
        finished = self._finished = asyncio.get_running_loop().create_future()
        if self.readyState == "live":
            self._utterance = speech
        else:
            self._finish()
        return finished

    def stop(self) -> None:
        super().stop()
        self._utterance = self._utterance[:0]
        self._finish()

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        if self._started is None:
            self._started = time.monotonic()
        else:
            due = self._started + self._sent / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        frame = AudioFrame.from_ndarray(self._next_samples().reshape(1, -1), layout="mono")
        frame.sample_rate = RATE
        frame.pts = self._sent
        frame.time_base = Fraction(1, RATE)
        self._sent += _FRAME
        return frame

    def _next_samples(self) -> Samples:
        mixed = np.zeros(_FRAME) if self.is_muted else self._random.normal(0, NOISE, _FRAME)
        spoken, self._utterance = self._utterance[:_FRAME], self._utterance[_FRAME:]
        mixed[: spoken.size] += spoken
        if not self._utterance.size:
            self._finish()
        return mixed.clip(-32_768, 32_767).astype(np.int16)

    def _finish(self) -> None:
        # The caller may have given up waiting.
        if self._finished is not None and not self._finished.done():
            self._finished.set_result(time.monotonic())
        self._finished = None


class Track(Protocol):
    """What can be heard, frame by frame; raises `MediaStreamError` at its end."""

    async def recv(self) -> Any: ...


@dataclass
class Stretch:
    """A stretch of sound, by `time.monotonic`. It goes on as long as no pause has parted it.

    Attributes:
        is_audible: Whether a person would have noticed it.
        frames: How many of its frames were sound.
    """

    began: float
    ended: float
    is_audible: bool = False
    frames: int = 0

    @property
    def seconds(self) -> float:
        return self.ended - self.began


@dataclass
class Ear:
    """Logs when there was sound on a track.

    Times are of arrival after the jitter buffer, which holds back four packets: 80 ms at most.

    Attributes:
        frames: How many frames came, 20 ms each.
        last_frame_at: When the last of them came, by the clock; None before the first.
        gaps: How many of them came so late, by the sender's own clock, that a player had run dry.
    """

    on_frame: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    frames: int = 0
    last_frame_at: float | None = None
    gaps: int = 0
    _clock_difference: float = math.inf
    _loud: deque[float] = field(default_factory=lambda: deque(maxlen=_AUDIBLE_FRAMES))
    stretches: list[Stretch] = field(default_factory=list)

    async def listen(self, track: Track) -> None:
        """Log until the track ends."""
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame)  # noqa: S101 - narrows what an audio track gives
            now = self.clock()
            self._note_delay(float((frame.pts or 0) * (frame.time_base or Fraction(1, RATE))), now)
            self._note(loudness(frame.to_ndarray().ravel()), now)

    def first_sound(self, since: float) -> float | None:
        """Return when the first audible stretch of sound since this moment began."""
        heard = (stretch for stretch in self.stretches if stretch.is_audible)
        return next((stretch.began for stretch in heard if stretch.began >= since), None)

    def sound_heard(self, since: float) -> float:
        """Return the seconds of sound, without pauses, in audible stretches that began since this moment."""
        heard = (stretch for stretch in self.stretches if stretch.is_audible)
        return sum(stretch.frames for stretch in heard if stretch.began >= since) * FRAME_SECONDS

    def quiet_for(self, now: float) -> float:
        """Return the seconds since the last sound; 0 before the first."""
        return now - self.stretches[-1].ended if self.stretches else 0.0

    def _note_delay(self, sent: float, now: float) -> None:
        """The least difference of the two clocks so far is what an undelayed frame has."""
        self._clock_difference = min(self._clock_difference, now - sent)
        if now - sent - self._clock_difference > PLAYER_BUFFER_SECONDS:
            self.gaps += 1
            # A player that has run dry starts again from here.
            self._clock_difference = now - sent

    def _note(self, level: float, now: float) -> None:
        self.frames += 1
        self.last_frame_at = now
        if level >= _SOUND:
            if self.quiet_for(now) > _PAUSE or not self.stretches:
                self.stretches.append(Stretch(now, now))
                self._loud.clear()
            self._loud.append(now)
            self.stretches[-1].ended = now
            self.stretches[-1].frames += 1
            if len(self._loud) == _AUDIBLE_FRAMES and now - self._loud[0] < _AUDIBLE_WITHIN:
                self.stretches[-1].is_audible = True
        self.on_frame()


def sound_in(speech: Samples) -> float:
    """Return the seconds of sound in speech at `RATE`, counted as an ear counts them."""
    frames = (speech[start : start + _FRAME] for start in range(0, speech.size, _FRAME))
    return sum(loudness(frame) >= _SOUND for frame in frames) * FRAME_SECONDS


def trimmed(speech: Samples) -> Samples:
    """Return speech without the silence around it, so that its end is the end of the last word."""
    [loud] = np.nonzero(np.abs(speech.astype(np.int32)) > _SOUND)
    return speech[loud[0] : loud[-1] + 1] if loud.size else speech
