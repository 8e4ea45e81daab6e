"""What a scripted caller says and hears, and when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from sandbox.caller_audio import FRAME_SECONDS, RATE, Ear, Mouth, sound_in, trimmed
from sandbox.voice import Samples, loudness

FRAME = int(RATE * FRAME_SECONDS)
LOUD = np.full(FRAME, 3000, np.int16)
QUIET = np.zeros(FRAME, np.int16)


class Recording(MediaStreamTrack):
    """A track that plays the given frames and ends."""

    kind = "audio"

    def __init__(self, frames: Iterator[Samples]) -> None:
        super().__init__()
        self._frames = frames
        self._sent = 0

    async def recv(self) -> AudioFrame:
        samples = next(self._frames, None)
        if samples is None:
            raise MediaStreamError
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), layout="mono")
        frame.pts, frame.time_base = self._sent, Fraction(1, RATE)
        self._sent += FRAME
        return frame


async def hear(*frames: Samples) -> Ear:
    ticks = iter(range(len(frames) + 1))
    ear = Ear(on_frame=lambda: None, clock=lambda: next(ticks) * FRAME_SECONDS)
    await ear.listen(Recording(iter(frames)))
    return ear


async def test_a_frame_that_comes_when_a_player_has_run_dry_is_a_gap() -> None:
    arrivals = iter([0.0, 0.02, 0.30, 0.32, 0.34])
    ear = Ear(on_frame=lambda: None, clock=lambda: next(arrivals))

    await ear.listen(Recording(iter([QUIET] * 5)))

    assert (ear.frames, ear.gaps) == (5, 1)


def samples_of(frame: AudioFrame) -> Samples:
    return frame.to_ndarray().ravel().astype(np.int16)


async def test_speech_ends_when_its_last_sample_has_gone_out() -> None:
    mouth = Mouth(np.random.default_rng(0))
    await mouth.recv()
    before = time.monotonic()
    finished = mouth.say(np.tile(LOUD, 2))

    spoken = [samples_of(await mouth.recv()), samples_of(await mouth.recv())]
    after = samples_of(await mouth.recv())

    assert before < await finished <= time.monotonic()
    assert all(loudness(samples) > 2900 for samples in spoken)
    assert loudness(after) < 100


async def test_a_silent_caller_sends_room_noise_and_no_zeros() -> None:
    frame = await Mouth(np.random.default_rng(0)).recv()
    assert np.count_nonzero(samples_of(frame)) > FRAME / 2


async def test_frames_follow_each_other_without_a_gap() -> None:
    mouth = Mouth(np.random.default_rng(0))
    frames = [await mouth.recv() for _ in range(3)]
    assert [frame.pts for frame in frames] == [0, FRAME, 2 * FRAME]


async def test_one_cannot_say_two_things_at_a_time() -> None:
    mouth = Mouth(np.random.default_rng(0))
    mouth.say(LOUD)
    with pytest.raises(RuntimeError, match="still speaking"):
        mouth.say(LOUD)


async def test_a_caller_who_no_longer_waits_is_no_trouble() -> None:
    mouth = Mouth(np.random.default_rng(0))
    finished = mouth.say(LOUD)
    finished.cancel()
    await mouth.recv()
    assert finished.cancelled()


async def test_words_with_short_gaps_are_one_stretch_and_a_pause_begins_another() -> None:
    word, gap, pause = [LOUD] * 5, [QUIET] * 10, [QUIET] * 30
    ear = await hear(*word, *gap, *word, *pause, *word)

    assert [round(stretch.began / FRAME_SECONDS) for stretch in ear.stretches] == [0, 50]
    assert ear.first_sound(since=0.1) == pytest.approx(50 * FRAME_SECONDS)
    assert ear.first_sound(since=2.0) is None


async def test_clicks_are_sound_that_is_not_audible() -> None:
    ear = await hear(*[LOUD, LOUD, *[QUIET] * 13] * 10)

    assert [stretch.is_audible for stretch in ear.stretches] == [False]
    assert ear.first_sound(since=0.0) is None


async def test_sound_is_counted_by_frames_and_without_what_is_not_heard() -> None:
    word, gap, pause = [LOUD] * 5, [QUIET] * 10, [QUIET] * 30
    ear = await hear(*word, *pause, LOUD, *pause, *word, *gap, *word)

    assert ear.sound_heard(since=0.0) == pytest.approx(15 * FRAME_SECONDS)
    assert ear.sound_heard(since=0.1) == pytest.approx(10 * FRAME_SECONDS)
    speech = np.concatenate([*word, *gap, *word])
    assert sound_in(speech) == pytest.approx(10 * FRAME_SECONDS)


async def test_quiet_counts_from_the_last_sound_and_not_before_any() -> None:
    assert (await hear(QUIET)).quiet_for(now=9.0) == 0.0
    assert (await hear(LOUD, QUIET)).quiet_for(now=9.0) == 9.0


def test_trimming_leaves_the_words_alone() -> None:
    assert trimmed(np.concatenate([QUIET, LOUD, QUIET, LOUD, QUIET])).size == 3 * FRAME
    assert trimmed(QUIET).size == FRAME
