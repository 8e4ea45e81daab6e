"""Which products a search finds."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.store.catalogue import load_catalogue
from sandbox.store.search import PriceRange, parse_price_range, search

CATALOGUE = load_catalogue()
PRODUCTS = list(CATALOGUE.products.values())
ANY_PRICE = PriceRange()


def names(query: str, category: str | None = None, price_range: str | None = None) -> list[str]:
    return [product.name for product in search(PRODUCTS, query, category, parse_price_range(price_range))]


def test_the_catalogue_is_worth_searching() -> None:
    assert len(PRODUCTS) >= 200
    assert len(CATALOGUE.categories) >= 12
    assert len({product.name for product in PRODUCTS}) == len(PRODUCTS)


def test_product_numbers_have_no_gap_and_begin_at_one() -> None:
    assert sorted(CATALOGUE.products) == list(range(1, len(PRODUCTS) + 1))


def test_saving_product_two_follows_from_looking_for_running_shoes() -> None:
    assert search(PRODUCTS, "running shoes", None, ANY_PRICE)[0].number == 2


@pytest.mark.parametrize("kind", CATALOGUE.kinds)
def test_each_thing_a_caller_may_say_is_in_the_shop(kind: str) -> None:
    assert search(PRODUCTS, kind, None, ANY_PRICE)


@pytest.mark.parametrize(
    ("one", "other"), [("lamp", "lamps"), ("knives", "knife"), ("running shoe", "run shoes")]
)
def test_endings_make_no_difference(one: str, other: str) -> None:
    assert names(one) == names(other)
    assert names(one)


def test_a_name_ranks_before_a_description() -> None:
    assert "headphones" in names("headphones")[0].lower()


def test_the_category_narrows_the_search() -> None:
    assert {product.category for product in search(PRODUCTS, "rain", "Clothing", ANY_PRICE)} == {"Clothing"}


def test_a_category_alone_is_a_search() -> None:
    assert len(names("", "Shoes")) == 20


def test_nothing_fits_nonsense() -> None:
    assert names("quantum flux capacitor") == []


@pytest.mark.parametrize(
    ("words", "low", "high"),
    [
        ("under $100", 0, 100),
        ("$50-$150", 50, 150),
        ("$50 - $150", 50, 150),
        ("over 20", 20, math.inf),
        ("between 20 and 50", 20, 50),
        ("from 50 to 20 dollars", 20, 50),
        ("at least $1,000", 1000, math.inf),
        ("below 19.99", 0, 19.99),
        ("200+", 200, math.inf),
        ("$40", 0, 40),
        ("around 100", 80, 120),
        ("cheap", 0, 30),
        ("", 0, math.inf),
        (None, 0, math.inf),
        ("whatever", 0, math.inf),
    ],
)
def test_a_price_range_in_words_is_understood(words: Any, low: float, high: float) -> None:
    assert parse_price_range(words) == PriceRange(low, high)


@given(st.text(max_size=100))
def test_any_price_words_give_a_range_with_its_ends_in_order(words: Any) -> None:
    price_range = parse_price_range(words)
    assert price_range.low <= price_range.high


@given(st.text(max_size=100), st.sampled_from([None, *CATALOGUE.categories]))
def test_a_search_never_leaves_its_price_range(query: str, category: str | None) -> None:
    found = search(PRODUCTS, query, category, PriceRange(20, 50))
    assert all(20 <= product.price <= 50 for product in found)


def test_names_can_be_spoken() -> None:
    """The model reads names aloud, so they are plain words."""
    assert all(re.fullmatch(r"[A-Za-z' ]+", product.name) for product in PRODUCTS)
