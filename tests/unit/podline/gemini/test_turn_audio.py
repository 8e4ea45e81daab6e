"""The caller's turn is kept until it is answered."""

from podline.gemini.turn_audio import LONGEST_SECONDS, TurnAudio

RATE = 16_000


def second(value: int) -> bytes:
    return bytes([value, 0]) * RATE


def kept(audio: TurnAudio) -> list[int]:
    return [chunk[0] for chunk, _ in audio.chunks()]


def test_a_turn_has_its_beginning() -> None:
    audio = TurnAudio(beginning_seconds=1.5)
    for value in range(5):
        audio.hear(second(value), RATE)

    audio.begin()
    audio.hear(second(5), RATE)

    assert kept(audio) == [3, 4, 5]


def test_what_comes_after_the_turn_is_not_part_of_it() -> None:
    audio = TurnAudio(1.0)
    audio.begin()
    audio.hear(second(1), RATE)
    audio.end()
    audio.hear(second(2), RATE)

    assert kept(audio) == [1]


def test_an_answered_turn_is_dropped() -> None:
    audio = TurnAudio(1.0)
    audio.begin()
    audio.hear(second(1), RATE)
    audio.end()

    audio.forget()

    assert not audio


def test_a_turn_that_has_begun_since_is_kept() -> None:
    audio = TurnAudio(1.0)
    audio.begin()
    audio.hear(second(1), RATE)

    audio.forget()

    assert kept(audio) == [1]


def test_another_turn_takes_the_place_of_one_that_was_answered() -> None:
    audio = TurnAudio(0.5)
    audio.begin()
    audio.hear(second(1), RATE)
    audio.end()
    audio.forget()
    audio.begin()
    audio.hear(second(2), RATE)

    assert kept(audio) == [2]


def test_a_turn_without_end_does_not_fill_the_memory() -> None:
    audio = TurnAudio(1.0)
    audio.begin()
    for value in range(100):
        audio.hear(second(value), RATE)

    assert len(kept(audio)) <= LONGEST_SECONDS + 1
    assert kept(audio)[-1] == 99


def test_audio_of_no_rate_is_not_kept() -> None:
    audio = TurnAudio(1.0)
    audio.begin()
    audio.hear(second(1), 0)
    audio.hear(b"", RATE)

    assert not audio


def test_another_turn_follows_one_that_was_not_answered() -> None:
    audio = TurnAudio(0.5)
    audio.begin()
    audio.hear(second(1), RATE)
    audio.end()
    audio.begin()
    audio.hear(second(2), RATE)

    assert kept(audio) == [1, 2]
