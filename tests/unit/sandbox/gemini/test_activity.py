"""Utterances found in a stream of samples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sandbox.ears import HEARING_RATE
from sandbox.gemini.activity import Activity, ActivityDetector, SpeechEnded, SpeechGoesOn, SpeechStarted
from sandbox.voice import Samples


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * HEARING_RATE), np.int16)


def noise(seconds: float, level: float) -> Samples:
    random = np.random.default_rng(7)
    return random.normal(0, level, round(seconds * HEARING_RATE)).astype(np.int16)


def kinds(activities: list[Activity]) -> list[type]:
    return [type(activity) for activity in activities if not isinstance(activity, SpeechGoesOn)]


def test_an_utterance_begins_and_ends() -> None:
    detector = ActivityDetector(0.5)
    activities = detector.feed(np.concatenate([silence(1), noise(1, 2000), silence(1)]))
    assert kinds(activities) == [SpeechStarted, SpeechEnded]
    assert activities[-1] == SpeechEnded(0.5)


def test_a_short_pause_does_not_end_an_utterance() -> None:
    detector = ActivityDetector(0.5)
    speech = [noise(0.6, 2000), silence(0.4), noise(0.6, 2000), silence(0.6)]
    assert kinds(detector.feed(np.concatenate(speech))) == [SpeechStarted, SpeechEnded]


def test_a_click_is_no_utterance() -> None:
    detector = ActivityDetector(0.5)
    assert detector.feed(np.concatenate([silence(1), noise(0.06, 8000), silence(1)])) == []


def test_a_noisy_room_is_no_utterance() -> None:
    detector = ActivityDetector(0.5)
    assert detector.feed(noise(5, 70)) == []


def test_the_soft_beginning_is_heard_as_well() -> None:
    detector = ActivityDetector(0.5)
    [started, *_] = detector.feed(np.concatenate([silence(1), noise(0.1, 100), noise(1, 2000)]))
    assert isinstance(started, SpeechStarted)
    assert started.samples.size >= 0.3 * HEARING_RATE


def test_the_end_of_the_stream_ends_an_utterance() -> None:
    detector = ActivityDetector(0.5)
    detector.feed(np.concatenate([silence(1), noise(1, 2000)]))
    assert kinds(detector.end()) == [SpeechEnded]
    assert detector.end() == []


@given(st.lists(st.integers(0, 5000), max_size=20))
def test_pieces_of_any_size_make_the_same_utterances(sizes: list[int]) -> None:
    stream = np.concatenate([silence(0.5), noise(0.5, 2000), silence(0.7)])
    whole = kinds(ActivityDetector(0.5).feed(stream))
    detector = ActivityDetector(0.5)
    cuts = np.cumsum(sizes)
    pieces = np.split(stream, cuts[cuts < stream.size])
    assert kinds([activity for piece in pieces for activity in detector.feed(piece)]) == whole
