"""What the model may do with products, and what it gets to say."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.store import Store
from bot.tools import results
from bot.tools.arguments import product_number
from testing.fakes.bots.bot_store import KETTLE, FakeStore, SeenRequest
from tests.unit.bot.tool_calls import QUICK, Call, is_failure


@pytest.fixture
async def fake() -> AsyncIterator[FakeStore]:
    async with FakeStore() as fake:
        yield fake


@pytest.fixture
def call(fake: FakeStore, http: aiohttp.ClientSession) -> Call:
    return Call(Store(http, fake.url, "convex-secret", QUICK))


def test_the_tools_are_declared_as_the_web_app_knows_them(call: Call) -> None:
    declared = {one.name: (list(one.properties), one.required) for one in call.tools.functions}

    assert declared == {
        "search_products": (["query", "category", "priceRange"], ["query"]),
        "save_product": (["productNumber"], ["productNumber"]),
        "remove_product": (["productNumber"], ["productNumber"]),
    }


async def test_a_search_asks_the_store_tells_the_model_and_shows_the_page(
    call: Call, fake: FakeStore
) -> None:
    result = await call.ask("search_products", query=" kettle ", priceRange="under $100")

    assert fake.requests == [
        SeenRequest(
            "/searchProductsByVoice",
            {"query": "kettle", "category": None, "priceRange": "under $100"},
            "Bearer convex-secret",
        )
    ]
    assert result == {"products": [KETTLE], "total": 17}
    assert call.announced == [
        {"type": "products_found", "query": "kettle", "products": [KETTLE], "total": 17}
    ]


async def test_a_save_carries_the_user_of_the_session_and_not_the_models(call: Call, fake: FakeStore) -> None:
    result = await call.ask("save_product", productNumber=2, userId="bo", user_id="bo")

    assert fake.requests[0].body == {"userId": "ana", "productNumber": 2}
    assert (fake.saved, result) == ({"ana": {2}}, {"saved": KETTLE})
    assert call.announced == [{"type": "product_saved", "number": 2, "product": KETTLE}]


async def test_a_removal_takes_the_product_off_the_list(call: Call, fake: FakeStore) -> None:
    fake.saved["ana"] = {2}

    assert await call.ask("remove_product", productNumber="2") == {"removed": KETTLE}
    assert fake.saved == {"ana": set()}
    assert call.announced == [{"type": "product_removed", "number": 2, "product": KETTLE}]


async def test_without_a_token_no_bearer_is_sent(fake: FakeStore, http: aiohttp.ClientSession) -> None:
    await Call(Store(http, fake.url, None, QUICK)).ask("search_products", query="kettle")

    assert fake.requests[0].authorization is None


@pytest.mark.parametrize("meant", [2, 2.0, "2", " 2 ", "2.0"])
def test_what_means_two_is_two(meant: object) -> None:
    assert product_number(meant) == 2


@pytest.mark.parametrize(
    "refused",
    [
        0,
        -1,
        1e9,
        10**6,
        float("nan"),
        float("inf"),
        True,
        "two",
        "",
        "-2",
        "2.5",
        2.5,
        None,
        [2],
        {"n": 2},
        "٢",
    ],
)
@pytest.mark.parametrize("tool", ["save_product", "remove_product"])
async def test_what_is_no_number_is_asked_for_and_not_sent(
    call: Call, fake: FakeStore, tool: str, refused: object
) -> None:
    assert is_failure(await call.ask(tool, productNumber=refused), say="Which product number")
    assert fake.requests == []


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_any_value_is_a_number_of_the_catalogue_or_none(value: object) -> None:
    number = product_number(value)

    assert number is None or (type(number) is int and 1 <= number <= 999_999)


@pytest.mark.parametrize("query", ["", "   ", None, "\x00\x1b[2J\u200b\n"])
async def test_a_search_for_nothing_is_asked_again_and_not_sent(
    call: Call, fake: FakeStore, query: object
) -> None:
    assert is_failure(await call.ask("search_products", query=query), say="What are you looking for?")
    assert fake.requests == []


@pytest.mark.parametrize("name", ["query", "category", "priceRange"])
@pytest.mark.parametrize("value", [7, True, ["tea"], {"text": "tea"}, [[[[]]]]])
async def test_an_argument_that_is_no_text_is_named_and_nothing_is_sent(
    call: Call, fake: FakeStore, name: str, value: object
) -> None:
    result = await call.ask("search_products", **{"query": "tea", name: value})

    assert is_failure(result)
    assert name in result["error"]
    assert fake.requests == []


async def test_control_characters_and_unknown_arguments_do_not_reach_the_store(
    call: Call, fake: FakeStore
) -> None:
    await call.ask(
        "search_products", query="tea\x00\n\x1b[31mpot", category="a\tb", limit=10**9, user={"a": 1}
    )

    assert fake.requests[0].body == {"query": "tea pot", "category": "a b", "priceRange": None}


async def test_a_query_without_end_is_cut(call: Call, fake: FakeStore) -> None:
    await call.ask("search_products", query="tea " * 1000, category="  ", priceRange="$1" * 1000)

    assert fake.requests[0].body == {
        "query": ("tea " * 75).strip(),
        "category": None,
        "priceRange": "$1" * 30,
    }


async def test_a_search_in_vain_says_what_was_searched_and_what_to_try(call: Call, fake: FakeStore) -> None:
    fake.products = []

    result = await call.ask("search_products", query="kites", category="Toys", priceRange="reasonable")

    assert result["searched"] == {"query": "kites", "category": "Toys", "priceRange": "reasonable"}
    for part in (
        "Nothing was found for 'kites' in the category 'Toys', priced 'reasonable'",
        "without the price range",
        "without the category",
        "another word",
        "'under $100'",  # `reasonable` may not have been understood
        "The same search again finds the same.",
    ):
        assert part in result["message"]
    assert (result["products"], result["total"]) == ([], 0)
    assert call.announced == [{"type": "products_found", "query": "kites", "products": [], "total": 0}]


async def test_a_plain_search_in_vain_suggests_only_what_can_be_left_out(call: Call, fake: FakeStore) -> None:
    fake.products = []

    message = (await call.ask("search_products", query="kites"))["message"]

    assert "another word" in message
    assert not any(word in message for word in ("price", "category"))


async def test_no_more_products_and_no_longer_texts_than_a_voice_needs(call: Call, fake: FakeStore) -> None:
    fake.products = [
        {"number": n, "name": "x" * 500, "description": "y" * 500, "_id": "j57"} for n in range(1, 40)
    ]

    result = await call.ask("search_products", query="tea")

    assert len(result["products"]) == 10
    assert len(result["products"][0]["name"]) == 120
    assert len(result["products"][0]["description"]) == 200
    assert "_id" not in result["products"][0]


async def test_a_backend_that_answers_a_bare_list_is_understood(call: Call, fake: FakeStore) -> None:
    fake.faults.append(b'[{"number": 4, "name": "Teapot"}]')

    result = await call.ask("search_products", query="tea")

    assert (result["products"][0]["name"], result["total"]) == ("Teapot", 1)


async def test_an_unknown_number_is_said_as_such(call: Call, fake: FakeStore) -> None:
    result = await call.ask("save_product", productNumber=999)

    assert is_failure(result, say="There is no product number 999.")
    assert (len(fake.requests), call.announced) == (1, [])


@pytest.mark.parametrize(
    ("tool", "detail", "told"),
    [
        ("save_product", {"alreadySaved": True}, {"alreadySaved": True}),
        ("save_product", {"alreadySaved": "perhaps"}, {}),
        ("remove_product", {"removed": False}, {"wasOnList": False}),
        ("remove_product", {"removed": {"number": 2}}, {}),
    ],
)
async def test_a_change_that_changed_nothing_is_reported_as_such(
    call: Call, fake: FakeStore, tool: str, detail: dict[str, Any], told: dict[str, Any]
) -> None:
    fake.details = detail

    result = await call.ask(tool, productNumber=2)

    done = "saved" if tool == "save_product" else "removed"
    assert result.pop(done) == KETTLE
    assert result.pop("message", None) is not None if told else True
    assert result == told


async def test_a_result_is_bounded_whatever_the_alphabet(call: Call, fake: FakeStore) -> None:
    fake.products = [
        {"number": n, "name": "\U0001f600" * 500, "category": "é" * 500, "description": "字" * 500}
        for n in range(1, 40)
    ]

    result = await call.ask("search_products", query="tea")

    assert 1 <= len(result["products"]) < 10
    assert result["total"] == 17
    assert len(json.dumps(result)) <= results.MAX_RESULT_BYTES


async def test_control_characters_in_the_stores_texts_reach_neither_model_nor_page(
    call: Call, fake: FakeStore
) -> None:
    fake.products = [{"number": 1, "name": "Tea\x00pot\n\u202eevil", "description": "\x1b[31mred"}]

    result = await call.ask("search_products", query="tea")

    assert (result["products"][0]["name"], result["products"][0]["description"]) == ("Tea pot evil", "red")
