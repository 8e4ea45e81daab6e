"""A resumption handle is used only for what it brings back."""

import pytest

from podline.gemini.resumption import COMPRESSED_FROM, LONGEST_HANDLE, Resumption


def after_a_turn() -> Resumption:
    resumption = Resumption()
    resumption.opened(is_resumed=False)
    resumption.turn_completed()
    resumption.offered("first")
    return resumption


def test_a_handle_of_the_latest_turn_is_used() -> None:
    assert after_a_turn().usable == "first"


def test_a_handle_from_before_the_first_turn_brings_back_nothing() -> None:
    resumption = Resumption()
    resumption.opened(is_resumed=False)
    resumption.offered("empty")

    assert resumption.usable is None


def test_a_handle_is_not_used_while_that_of_a_completed_turn_is_on_its_way() -> None:
    resumption = after_a_turn()

    resumption.turn_completed()
    assert resumption.usable is None

    resumption.offered("second")
    assert resumption.usable == "second"


def test_a_refused_handle_is_forgotten() -> None:
    resumption = after_a_turn()

    resumption.refused()

    assert resumption.usable is None


def test_a_session_that_began_anew_does_not_use_the_handle_of_another() -> None:
    resumption = after_a_turn()

    resumption.opened(is_resumed=False)

    assert resumption.usable is None


def test_a_resumed_session_can_be_resumed_again() -> None:
    resumption = after_a_turn()

    resumption.opened(is_resumed=True)

    assert resumption.usable == "first"


def test_a_handle_that_is_too_long_is_not_kept() -> None:
    resumption = after_a_turn()

    resumption.offered("x" * (LONGEST_HANDLE + 1))

    assert resumption.usable == "first"


@pytest.mark.parametrize(
    ("known", "prompt", "forgotten"),
    [
        ({"TEXT": 400}, {"TEXT": 420}, False),
        ({"TEXT": 400}, {"TEXT": 390}, False),  # counts vary
        ({"TEXT": 400}, {"TEXT": 350, "AUDIO": 500}, True),  # the caller's turn is long
        ({"TEXT": 400, "AUDIO": 300}, {"TEXT": 400, "AUDIO": 90}, True),
        ({"TEXT": 400, "AUDIO": 165}, {"TEXT": 411, "AUDIO": 90}, False),  # an answer was cut off
        ({"TEXT": 400}, {}, True),
        ({"TEXT": 2 * COMPRESSED_FROM}, {"TEXT": 1000}, False),  # compressed
        ({}, {}, False),  # a model that counts nothing
    ],
)
def test_a_resumed_session_without_its_context_is_noticed(
    known: dict[str, int],
    prompt: dict[str, int],
    forgotten: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    resumption = after_a_turn()
    resumption.has_forgotten(known, {})
    resumption.opened(is_resumed=True)

    assert resumption.has_forgotten(prompt, {"AUDIO": 10}) is forgotten


def test_the_model_s_own_answer_is_part_of_what_it_should_know() -> None:
    resumption = after_a_turn()
    resumption.has_forgotten({"AUDIO": 100}, {"AUDIO": 200})
    resumption.opened(is_resumed=True)

    assert resumption.has_forgotten({"AUDIO": 120}, {})


def test_only_the_first_turn_after_resuming_shows_it() -> None:
    resumption = after_a_turn()
    resumption.has_forgotten({"TEXT": 1000}, {})
    resumption.opened(is_resumed=True)
    resumption.has_forgotten({"TEXT": 1000}, {})

    assert not resumption.has_forgotten({"TEXT": 100}, {})


def test_a_session_that_began_anew_has_nothing_to_forget() -> None:
    resumption = after_a_turn()
    resumption.has_forgotten({"TEXT": 1000}, {})
    resumption.opened(is_resumed=False)

    assert not resumption.has_forgotten({"TEXT": 100}, {})
