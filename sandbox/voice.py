"""The sandbox's voice: espeak-ng, called through ctypes, resampled to the rate that is asked for."""

import ctypes
import math
import threading
from typing import Any, Final, cast

import espeakng_loader
import numpy as np
import numpy.typing as npt
import soxr

Samples = npt.NDArray[np.int16]
"""Mono PCM."""

# The names of speak_lib.h of espeak-ng 1.52.
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE_DONT_EXIT: Final = 0x8000
_POSITION_CHARACTER: Final = 1
_CHARACTERS_UTF8: Final = 1
_PARAMETER_RATE: Final = 1
_CONTINUE: Final = 0

_SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class VoiceError(Exception):
    """The speech engine refused; the sentence says what."""


class Voice:
    """Speech from text, made at once rather than in real time: a sentence takes 7 to 44 ms.

    Any thread may call it.
    """

    # The engine is one per process and takes one call at a time, so its lock is the process's as well.
    _engine_lock = threading.Lock()

    def __init__(self, words_per_minute: int = 155) -> None:
        self._chunks: list[Samples] = []
        self._callback = _SYNTH_CALLBACK(self._take)
        self._words_per_minute = words_per_minute
        self._engine: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        with self._engine_lock:
            self._engine_rate = int(
                self._engine.espeak_Initialize(
                    _AUDIO_OUTPUT_SYNCHRONOUS,
                    0,
                    espeakng_loader.get_data_path().encode(),
                    _INITIALIZE_DONT_EXIT,
                )
            )
        if self._engine_rate <= 0:
            raise VoiceError("espeak-ng did not start: its data could not be read")

    def say(self, text: str, rate: int, voice: str = "en-us", speed: float = 1.0) -> Samples:
        """Speak `text` as samples at `rate` per second.

        Args:
            text: What to say, in plain words.
            rate: Samples per second of the result.
            voice: An espeak-ng voice: `en`, `en-us`, or one with a variant, such as `en-us+f3`.
            speed: How much faster than usual.

        Raises:
            VoiceError: There is no such voice, or the engine could not speak the text.
        """
        encoded = text.encode()
        with self._engine_lock:
            self._chunks.clear()
            self._engine.espeak_SetSynthCallback(self._callback)
            self._engine.espeak_SetParameter(_PARAMETER_RATE, round(self._words_per_minute * speed), 0)
            if self._engine.espeak_SetVoiceByName(voice.encode()) != 0:
                raise VoiceError(f"espeak-ng has no voice named {voice}")
            status = self._engine.espeak_Synth(
                encoded,
                ctypes.c_size_t(len(encoded) + 1),
                0,
                _POSITION_CHARACTER,
                0,
                _CHARACTERS_UTF8,
                None,
                None,
            )
            if status != 0:
                raise VoiceError(f"espeak-ng could not speak: its status is {status}")
            spoken = np.concatenate([np.zeros(0, np.int16), *self._chunks])
        return resample(spoken, self._engine_rate, rate)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        """Keep what the engine has made. It calls this within `espeak_Synth`, on the same thread."""
        if samples and count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        return _CONTINUE


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """The same sound at another rate, both in samples per second."""
    if rate == wanted or not samples.size:
        return samples
    return cast("Samples", soxr.resample(samples, rate, wanted))


def seconds_of(samples: Samples, rate: int) -> float:
    """How long the samples last at `rate` per second."""
    return samples.size / rate


def loudness(samples: npt.NDArray[Any]) -> float:
    """Root mean square of the samples: 0 for silence, 32,767 for the loudest square wave."""
    if not samples.size:
        return 0.0
    return math.sqrt(float(np.mean(np.square(samples.astype(np.float64)))))
