"""What the model says about a tool's result."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.mind.answers import answer_from, sentences
from sandbox.mind.intents import Remove, Save, Search

SHOES = {"number": 2, "name": "Trail running shoes", "price": 89.0}
LAMP = {"number": 6, "name": "Oak desk lamp", "price": 79.5}


@pytest.mark.parametrize(
    ("request_", "response", "said"),
    [
        (
            Search("shoes"),
            {"products": [SHOES], "total": 1},
            "I found 1 product. Number 2, Trail running shoes, 89 dollars.",
        ),
        (Search("x"), {"products": [SHOES, LAMP], "total": 17}, "I found 17 products."),
        (Search("x"), {"products": [LAMP]}, "Number 6, Oak desk lamp, 79 dollars 50."),
        (Search("kites"), {"products": [], "total": 0}, "I found nothing for kites."),
        (Save(2), {"success": True, "product": SHOES}, "Saved number 2, Trail running shoes."),
        (Save(2), {"success": True, "product": None}, "Saved number 2."),
        (Save(2), {"alreadySaved": True, "product": SHOES}, "was already on your list."),
        (Remove(2), {"removed": True, "product": SHOES}, "Removed number 2, Trail running shoes."),
        (Remove(2), {"removed": False, "product": SHOES}, "was not on your list."),
        (Save(2), {"error": "The shop is closed."}, "The shop is closed."),
        (Save(2), {"value": "CANCELLED"}, "Sorry, that did not work."),
        (Save(2), {"result": {"success": True, "product": SHOES}}, "Saved number 2, Trail running shoes."),
        (Save(2), {"success": False}, "Sorry, that did not work."),
        (Save(2), {"saved": SHOES}, "Saved number 2, Trail running shoes."),
        (
            Save(2),
            {"saved": SHOES, "alreadySaved": True, "message": "for the model"},
            "Number 2, Trail running shoes, was already on your list.",
        ),
        (Remove(2), {"removed": SHOES}, "Removed number 2, Trail running shoes."),
        (
            Remove(2),
            {"removed": SHOES, "wasOnList": False, "message": "for the model"},
            "Number 2, Trail running shoes, was not on your list.",
        ),
        (
            Search("kites"),
            {"products": [], "total": 0, "message": "Try another word."},
            "I found nothing for kites.",
        ),
        (Save(2), {"error": "for the model", "say": "The shop is closed."}, "The shop is closed."),
    ],
)
def test_a_result_is_told(request_: Any, response: dict[str, Any], said: str) -> None:
    assert said in answer_from(request_, response)


def test_at_most_three_products_are_spoken() -> None:
    products = [{**SHOES, "number": number} for number in range(1, 6)]
    said = answer_from(Search("shoes"), {"products": products, "total": 5})
    assert "Number 3," in said
    assert "Number 4," not in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["products", "product", "total", "error", "success", "result", "value", "saved", "removed", "say"]
)


@given(st.sampled_from([Search("x"), Save(2), Remove(2)]), st.dictionaries(NAMES, JSON, max_size=4))
def test_whatever_a_tool_returns_something_is_said(request_: Any, response: dict[str, Any]) -> None:
    assert sentences(answer_from(request_, response))
