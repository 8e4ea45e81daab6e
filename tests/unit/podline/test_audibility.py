"""Tests of `podline.audibility`: what a person would hear, and what not."""

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.audibility import Audibility
from sandbox.voice import Voice

RATE = 24_000
CHUNK_BYTES = 960
SENTENCE = "Yes, I found three of them. The first one, a red kettle, costs nineteen pounds."

Samples = npt.NDArray[np.int16]


def pcm(samples: npt.NDArray[np.float64]) -> bytes:
    return np.clip(np.round(samples), -32768, 32767).astype("<i2").tobytes()


def tone(amplitude: float, seconds: float = 2.0, rate: int = RATE) -> npt.NDArray[np.float64]:
    return amplitude * np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate)


def noise(amplitude: float, seconds: float = 2.0) -> npt.NDArray[np.float64]:
    return np.random.default_rng(7).uniform(-amplitude, amplitude, round(seconds * RATE))


def clicks(every_seconds: float, seconds: float = 10.0) -> npt.NDArray[np.float64]:
    """Return loud clicks of 2 ms each."""
    samples = np.zeros(round(seconds * RATE))
    for at in range(0, samples.size, round(every_seconds * RATE)):
        samples[at : at + 48] = 30_000
    return samples


def chunks(audio: bytes, size: int = CHUNK_BYTES) -> Iterator[bytes]:
    return (audio[at : at + size] for at in range(0, len(audio), size))


def heard(pieces: Iterable[bytes], rate: int = RATE, channels: int = 1) -> Audibility:
    """Play the pieces in real time from 100 s on, and return the judge."""
    audibility = Audibility()
    now = 100.0
    for piece in pieces:
        now += len(piece) / (2 * rate * channels)
        audibility.hear(piece, rate, channels, now)
    return audibility


@pytest.fixture(scope="module")
def say() -> Callable[..., npt.NDArray[np.float64]]:
    voice = Voice()
    return lambda text, name="en-us", rate=RATE: voice.say(text, rate, name).astype(np.float64)


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(np.zeros(5 * RATE), id="zeros"),
        pytest.param(np.full(5 * RATE, 40.0), id="a constant of 40"),
        pytest.param(tone(40.0), id="a tone of amplitude 40"),
        pytest.param(noise(40.0), id="noise of amplitude 40"),
        pytest.param(40.0 * np.sign(tone(1.0)), id="a square wave of amplitude 40"),
        pytest.param(np.full(5 * RATE, 10_000.0), id="a constant of 10,000"),
        pytest.param(10_000 + tone(40.0), id="a constant with a faint tone on it"),
        pytest.param(clicks(60.0), id="one click"),
        pytest.param(clicks(1.0), id="a click a second"),
        pytest.param(np.repeat([0.0, 10_000.0], RATE), id="a step"),
        pytest.param(tone(20_000.0, 0.05), id="a beep of 50 ms"),
        pytest.param(np.zeros(0), id="no audio at all"),
    ],
)
def test_what_nobody_hears_is_not_audible(samples: npt.NDArray[np.float64]) -> None:
    audibility = heard(chunks(pcm(samples)))
    assert not audibility.is_audible
    assert audibility.last_at is None


@pytest.mark.parametrize(
    ("text", "loudness", "voice"),
    [
        (SENTENCE, 1.0, "en-us"),
        ("No.", 1.0, "en-us"),
        ("Hi!", 1.0, "en-us+f3"),
        (SENTENCE, 0.1, "en-us"),
        ("No.", 0.1, "en-us"),
        (SENTENCE, 1.0, "en-us+whisper"),
        (SENTENCE, 0.2, "en-us+whisper"),
    ],
)
def test_speech_is_audible_within_its_first_word(
    say: Callable[..., npt.NDArray[np.float64]], text: str, loudness: float, voice: str
) -> None:
    speech = say(text, voice) * loudness
    quiet_start = np.zeros(RATE // 2)
    audibility = heard(chunks(pcm(np.concatenate([quiet_start, speech, np.zeros(3 * RATE)]))))
    assert audibility.began_at == pytest.approx(100.5, abs=0.2)
    assert audibility.last_at == pytest.approx(100.5 + speech.size / RATE, abs=0.4)


def test_an_utterance_stays_audible_through_its_quiet_stretches(
    say: Callable[..., npt.NDArray[np.float64]],
) -> None:
    audibility = heard(chunks(pcm(np.concatenate([say("Well,"), np.zeros(20 * RATE)]))))
    assert audibility.is_audible


def test_the_next_utterance_begins_unheard() -> None:
    audibility = heard(chunks(pcm(tone(5000.0))))
    assert audibility.is_audible
    audibility.begin_utterance()
    assert (audibility.is_audible, audibility.began_at, audibility.last_at) == (False, None, None)
    audibility.hear(pcm(np.zeros(RATE)), RATE, 1, 200.0)
    assert not audibility.is_audible
    assert audibility.hear(pcm(tone(5000.0)), RATE, 1, 201.0)
    assert audibility.began_at == 201.0


def test_half_a_beep_does_not_count_for_the_next_utterance() -> None:
    audibility = heard(chunks(pcm(tone(5000.0, 0.08))))
    audibility.begin_utterance()
    audibility.hear(pcm(tone(5000.0, 0.08)), RATE, 1, 200.0)
    assert not audibility.is_audible


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_one_or_two_channels(rate: int, channels: int) -> None:
    loud = np.repeat(tone(5000.0, rate=rate), channels)
    assert heard(chunks(pcm(loud)), rate, channels).is_audible
    assert not heard(chunks(pcm(loud / 125)), rate, channels).is_audible


@pytest.mark.parametrize("silent_channel", [0, 1])
def test_one_loud_channel_is_enough(silent_channel: int) -> None:
    stereo = np.repeat(tone(5000.0), 2)
    stereo[silent_channel::2] = 0
    assert heard(chunks(pcm(stereo)), channels=2).is_audible


def test_two_channels_with_different_constants_are_not_sound() -> None:
    assert not heard(chunks(pcm(np.tile([10_000.0, -10_000.0], RATE))), channels=2).is_audible


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (-1, 1), (RATE, 0), (RATE, -2)])
def test_audio_of_no_rate_or_no_channel_is_not_audible(rate: int, channels: int) -> None:
    audibility = Audibility()
    assert not audibility.hear(pcm(tone(5000.0)), rate, channels, 100.0)


def test_a_rate_that_changes_within_an_utterance() -> None:
    audibility = Audibility()
    audibility.hear(pcm(tone(5000.0, 0.05))[:-1], RATE, 1, 100.0)
    assert audibility.hear(pcm(tone(5000.0, 0.5, 16_000)), 16_000, 1, 101.0)


@st.composite
def cut(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Draw audio of loud and faint stretches, whole and cut anywhere, within samples too."""
    stretches = draw(st.lists(st.tuples(st.sampled_from([0, 40, 10_000]), st.integers(1, 60)), max_size=6))
    whole = pcm(np.concatenate([np.zeros(0), *(tone(loud, tenth / 100) for loud, tenth in stretches)]))
    places = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    return whole, [whole[begin:end] for begin, end in pairwise([0, *places, len(whole)])]


@given(cut())
def test_where_chunks_begin_and_end_does_not_matter(audio: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = audio
    assert heard(pieces).is_audible == heard([whole]).is_audible


@given(st.lists(st.binary(max_size=3000), max_size=20), st.integers(1, 192_000), st.integers(1, 2))
def test_any_bytes_are_judged(pieces: list[bytes], rate: int, channels: int) -> None:
    audibility = heard(pieces, rate, channels)
    assert audibility.is_audible == (audibility.last_at is not None)
    if audibility.began_at is not None and audibility.last_at is not None:
        assert 100.0 <= audibility.began_at <= audibility.last_at


@given(st.floats(0, 57), st.floats(-20_000, 20_000))
def test_nothing_under_the_threshold_is_ever_audible(amplitude: float, constant: float) -> None:
    assert not heard(chunks(pcm(constant + noise(amplitude)))).is_audible
