"""The voice, which has one engine in a process however many speak with it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.voice import Voice, VoiceError, loudness, seconds_of

RATE = 24_000


def test_a_sentence_is_loud_and_lasts_about_as_long_as_it_takes_to_say() -> None:
    speech = Voice().say("save product two", RATE)

    assert 0.5 < seconds_of(speech, RATE) < 3
    assert loudness(speech) > 500


def test_several_who_speak_at_once_each_say_their_own_words() -> None:
    words = ["one", "find running shoes", "thank you for calling and goodbye to everybody"] * 6
    alone = {sentence: Voice().say(sentence, RATE) for sentence in set(words)}
    voices = [Voice() for _ in words]

    with ThreadPoolExecutor(6) as threads:
        spoken = list(threads.map(lambda voice, sentence: voice.say(sentence, RATE), voices, words))

    for sentence, speech in zip(words, spoken, strict=True):
        # The engine's own state makes a sentence some samples longer or shorter.
        assert seconds_of(speech, RATE) == pytest.approx(seconds_of(alone[sentence], RATE), abs=0.05)


def test_a_voice_that_does_not_exist_is_named() -> None:
    with pytest.raises(VoiceError, match="no voice named en-xx"):
        Voice().say("hello", RATE, "en-xx")
