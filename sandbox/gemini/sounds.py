"""Sounds that the model makes instead of its speech."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sandbox.gemini.manners import WrongAudio
from sandbox.gemini.speech import SPEAKING_RATE
from sandbox.voice import Samples

_TONE_HERTZ: Final = 440
_TONE_AMPLITUDE: Final = 6000
_TONE_SECONDS: Final = 0.4


def sounding(manner: WrongAudio, samples: Samples, audio_seconds: float) -> Samples:
    """Return as many samples of what is heard instead."""
    began = round(audio_seconds * SPEAKING_RATE)
    times = np.arange(began, began + samples.size)
    match manner.sound:
        case "speech":
            return samples
        case "whisper":
            return _loud(samples / np.iinfo(np.int16).max, manner.amplitude)
        case "zeros":
            shape = np.zeros(samples.size)
        case "noise":
            shape = np.random.default_rng(began).uniform(-1.0, 1.0, samples.size)
        case "tone":
            shape = np.sin(2 * np.pi * _TONE_HERTZ / SPEAKING_RATE * times)
        case "offset":
            shape = np.ones(samples.size)
        case _:
            shape = (times % SPEAKING_RATE == 0).astype(float)
    return _loud(shape, manner.amplitude)


def tone() -> Samples:
    """Return a short tone that everybody hears."""
    times = np.arange(round(_TONE_SECONDS * SPEAKING_RATE))
    return _loud(np.sin(2 * np.pi * _TONE_HERTZ / SPEAKING_RATE * times), _TONE_AMPLITUDE)


def _loud(shape: npt.NDArray[np.float64], amplitude: int) -> Samples:
    rounded: npt.NDArray[np.float64] = np.round(shape * amplitude)
    return rounded.astype(np.int16)
