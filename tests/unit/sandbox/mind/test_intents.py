"""What a caller wants, read from words."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mind.intents import (
    GOODBYES,
    REMOVE_VERBS,
    SAVE_VERBS,
    SEARCH_VERBS,
    Goodbye,
    Greet,
    Remove,
    Save,
    Say,
    Search,
    parse,
    parse_instruction,
)
from sandbox.numbers import digits_for_words, words_for_number

CATEGORIES: Final = ("Shoes", "Kitchen")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("save product two", Save(2)),
        ("Save product 2.", Save(2)),
        ("Please save number two to my list", Save(2)),
        ("save the number 2 please", Save(2)),
        ("put aside product one hundred and twenty three", Save(123)),
        ("throw away number twenty one", Remove(21)),
        ("remove product 2 from my list", Remove(2)),
        ("find running shoes", Search("running shoes")),
        ("Show me some shoes", Search("shoes", "Shoes")),
        ("search for a desk lamp under fifty dollars", Search("desk lamp", None, "under $50")),
        ("find lamps between twenty and fifty dollars", Search("lamps", None, "$20-$50")),
        ("find mugs under $12.50", Search("mugs", None, "under $12.50")),
        ("do you have rugs over one hundred dollars?", Search("rugs", None, "over $100")),
        ("thank you goodbye", Goodbye()),
        ("Goodbye!", Goodbye()),
        ("hello", Greet()),
    ],
)
def test_a_request_is_understood(said: str, meant: Any) -> None:
    assert parse(said, CATEGORIES) == meant


@pytest.mark.parametrize(
    "said", ["", " ", "save", "save product", "find", "tell me a joke", "save product minus one"]
)
def test_what_is_no_request_is_not_guessed_at(said: str) -> None:
    assert parse(said, CATEGORIES) is None


@given(st.sampled_from(SAVE_VERBS), st.integers(1, 999))
def test_any_number_can_be_saved_in_words_and_in_digits(verb: str, number: Any) -> None:
    assert parse(f"{verb} product {words_for_number(number)}", CATEGORIES) == Save(number)
    assert parse(f"{verb} product {number}", CATEGORIES) == Save(number)


@given(st.sampled_from(REMOVE_VERBS), st.integers(1, 999))
def test_no_removal_is_taken_for_a_save(verb: str, number: Any) -> None:
    assert parse(f"{verb} number {words_for_number(number)}", CATEGORIES) == Remove(number)


@given(st.sampled_from(SEARCH_VERBS), st.sampled_from(["lamps", "rain boots"]), st.integers(1, 999))
def test_a_price_is_not_part_of_what_is_sought(verb: str, thing: str, amount: int) -> None:
    request = f"{verb} {thing} under {words_for_number(amount)} dollars"
    assert parse(request, CATEGORIES) == Search(thing, None, f"under ${amount}")


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_fault(text: str) -> None:
    parse(text, CATEGORIES)
    parse_instruction(text)


@given(st.integers(1, 999))
def test_numbers_survive_being_spoken(number: Any) -> None:
    assert digits_for_words(words_for_number(number)) == str(number)


@pytest.mark.parametrize("phrase", GOODBYES)
def test_each_goodbye_is_understood(phrase: str) -> None:
    assert parse(phrase, CATEGORIES) == Goodbye()


@pytest.mark.parametrize(
    ("instruction", "meant"),
    [
        ("Greet the caller.", Greet()),
        ("Say goodbye to the caller.", Goodbye()),
        ('Greet the caller with "Good day, this is Mia."', Say("Good day, this is Mia.")),
        ("Talk about something else", None),
        ("You greet callers. " * 40, None),
    ],
)
def test_the_application_can_ask_for_words(instruction: str, meant: Any) -> None:
    assert parse_instruction(instruction) == meant
