"""Which sounds begin a turn of the caller, after Opus, by their level below a voice at -20 dBFS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
import pytest
from pipecat.audio.vad.vad_analyzer import VADState

from podline.voice import CallerVoice
from sandbox.voice import Samples, Voice, resample

Sound = npt.NDArray[np.float64]

RATE: Final = 16_000
OPUS_RATE: Final = 48_000
BEFORE: Final = 1.5
"""Seconds of a quiet room before and after each sound."""
FULL_SCALE: Final = 32_768

VOICES: Final = ("en-us", "en-us+f3", "en-us+m7")
WORDS: Final = ("yes", "no", "two", "find running shoes under fifty dollars")
ECHOED: Final = (
    "Hello! I am your shopping assistant. What are you looking for today? I found 3 products. Number 2, "
    "Trail running shoes, 89 dollars. Say save and the number to keep one."
)


@pytest.fixture(scope="module")
def voice() -> Voice:
    return Voice()


def through_opus(sound: Sound) -> Samples:
    """Return what arrives of a sound that a browser sends: Opus for voice, 32 kbit/s."""
    samples = resample(sound.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16), RATE, OPUS_RATE)
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = OPUS_RATE, "mono", "s16"
    encoder.bit_rate, encoder.options = 32_000, {"application": "voip"}
    decoder: Any = av.CodecContext.create("libopus", "r")
    decoder.sample_rate, decoder.layout = OPUS_RATE, "mono"
    heard = []
    size = OPUS_RATE // 50
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[start : start + size].reshape(1, -1), "s16", "mono")
        frame.sample_rate, frame.pts = OPUS_RATE, start
        for packet in encoder.encode(frame):
            heard += [decoded.to_ndarray().reshape(-1) for decoded in decoder.decode(packet)]
    return resample(to_pcm(np.concatenate(heard)), OPUS_RATE, RATE)


def to_pcm(samples: npt.NDArray[Any]) -> Samples:
    if samples.dtype == np.int16:
        return samples
    return (samples * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


async def turns(sound: Sound) -> list[float]:
    """Return when turns begin, in seconds from the beginning of the sound."""
    random = np.random.default_rng(5)
    around = int(BEFORE * RATE)
    room = random.normal(0, 10.0, around + len(sound) + around)
    room[around : around + len(sound)] += sound
    detector = CallerVoice(stop_secs=0.5)
    detector.set_sample_rate(RATE)
    pcm = through_opus(room).tobytes()
    began, was_speaking = [], False
    step = RATE // 50 * 2
    for start in range(0, len(pcm), step):
        state = await detector.analyze_audio(pcm[start : start + step])
        if state is VADState.SPEAKING and not was_speaking:
            began.append((start + step) / 2 / RATE - BEFORE)
            was_speaking = True
        was_speaking = was_speaking and state is not VADState.QUIET
    await detector.cleanup()  # type: ignore[no-untyped-call]
    return began


def spoken(voice: Voice, text: str, name: str) -> Sound:
    """Return speech without the silence around it."""
    speech = voice.say(text, RATE, name).astype(np.float64)
    loud = np.flatnonzero(np.abs(speech) > 300)
    return speech[loud[0] : loud[-1] + 1]


def decibels(level: float) -> float:
    return math.pow(10, level / 20)


@pytest.mark.parametrize("level", [0, -12, -22])
async def test_each_word_is_heard_at_once_by_whomever_it_is_said(voice: Voice, level: int) -> None:
    for name in VOICES:
        for word in WORDS:
            began = await turns(spoken(voice, word, name) * decibels(level))
            assert len(began) == 1, (name, word, began)
            assert began[0] < 0.4, (name, word, began)


def white(size: int) -> Sound:
    return np.random.default_rng(1).normal(size=size)


def pink(size: int) -> Sound:
    spectrum = np.fft.rfft(white(size))
    return rms_of_one(np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), size))


def breath(size: int) -> Sound:
    """Return air between 300 and 2,500 Hz, in for two seconds and out after two more."""
    spectrum = np.fft.rfft(white(size))
    pitch = np.fft.rfftfreq(size, 1 / RATE)
    spectrum[(pitch < 300) | (pitch > 2500)] = 0
    swell = np.sin(2 * np.pi * np.arange(size) / RATE / 4).clip(0)
    sound: Sound = rms_of_one(np.fft.irfft(spectrum, size)) * swell
    return sound


def keys(size: int) -> Sound:
    """Return eight keys a second, each a burst that is over after 10 ms."""
    random = np.random.default_rng(2)
    sound = np.zeros(size)
    for start in random.integers(0, size - 160, size // RATE * 8):
        sound[start : start + 160] += random.normal(size=160) * np.exp(-np.arange(160) / 30)
    scaled: Sound = sound / np.abs(sound).max()
    return scaled


def hum(size: int) -> Sound:
    seconds = np.arange(size) / RATE
    sound: Sound = rms_of_one(
        sum((np.sin(2 * np.pi * 50 * n * seconds) / n for n in range(1, 6)), np.zeros(size))
    )
    return sound


def rms_of_one(sound: Sound) -> Sound:
    scaled: Sound = sound / math.sqrt(float(np.mean(sound**2)))
    return scaled


@pytest.mark.parametrize(
    ("noise", "dbfs"), [(white, -30), (pink, -30), (breath, -25), (keys, -3), (hum, -20)]
)
async def test_no_noise_of_a_room_begins_a_turn(noise: Callable[[int], Sound], dbfs: int) -> None:
    assert await turns(noise(8 * RATE) * FULL_SCALE * decibels(dbfs)) == []


@pytest.mark.parametrize("name", VOICES)
async def test_the_bots_echo_begins_no_turn(voice: Voice, name: str) -> None:
    assert await turns(spoken(voice, ECHOED, name) * decibels(-30)) == []
