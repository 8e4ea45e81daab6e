"""What the model may do with products, and what it gets to say when that fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.services.llm_service import FunctionCallParams

from bot.store import Store, StoreTimeouts
from bot.tools.ending import end_call_tool
from bot.tools.products import NO_NUMBER, NO_QUERY, UNAVAILABLE, UNSETTLED, ProductTools, product_number
from testing.fakes.bots.bot_store import KETTLE, FakeStore, Fault, SeenRequest

QUICK = StoreTimeouts(connect=2.0, total=2.0, pauses=(0.01, 0.01))


class Call:
    """A call's tools, called as the model calls them, and what its page has received."""

    def __init__(self, store: Store, user_id: str = "ana") -> None:
        self.announced: list[dict[str, Any]] = []
        self.tools = ProductTools(store, user_id, self._announce)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Call a tool and return what the model gets."""
        [function] = [one for one in self.tools.functions if one.name == name]
        assert function.handler is not None
        return await result_of(function.handler, arguments)

    async def _announce(self, message: dict[str, Any]) -> None:
        self.announced.append(message)


async def result_of(handler: Callable[..., Awaitable[None]], arguments: dict[str, Any]) -> Any:
    results: list[Any] = []

    async def take(result: Any, **_: Any) -> None:
        results.append(result)

    nothing = cast("Any", None)
    await handler(
        FunctionCallParams(
            function_name="any",
            tool_call_id="1",
            arguments=arguments,
            llm=nothing,
            pipeline_worker=nothing,
            context=nothing,
            result_callback=take,
        )
    )
    [result] = results
    return result


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
    assert await call.ask(tool, productNumber=refused) == {"error": NO_NUMBER}
    assert fake.requests == []


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_any_value_is_a_number_of_the_catalogue_or_none(value: object) -> None:
    number = product_number(value)

    assert number is None or (type(number) is int and 1 <= number <= 999_999)


@pytest.mark.parametrize("query", ["", "   ", None, 7])
async def test_a_search_for_nothing_is_asked_again_and_not_sent(
    call: Call, fake: FakeStore, query: object
) -> None:
    assert await call.ask("search_products", query=query) == {"error": NO_QUERY}
    assert fake.requests == []


async def test_a_query_without_end_is_cut(call: Call, fake: FakeStore) -> None:
    await call.ask("search_products", query="tea " * 1000, category="  ")

    assert len(fake.requests[0].body["query"]) == 300
    assert fake.requests[0].body["category"] is None


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

    assert result == {"error": "There is no product number 999. Ask the caller for the number."}
    assert (len(fake.requests), call.announced) == (1, [])


@pytest.mark.parametrize("fault", [500, 503, 429, "hang up"])
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("search_products", {"query": "tea"}), ("save_product", {"productNumber": 2})],
)
async def test_what_passes_is_tried_again(
    call: Call, fake: FakeStore, fault: Fault, tool: str, arguments: dict[str, Any]
) -> None:
    fake.faults.extend([fault, fault])

    assert "error" not in await call.ask(tool, **arguments)
    assert len(fake.requests) == 3


async def test_a_save_whose_answer_was_lost_is_one_save(call: Call, fake: FakeStore) -> None:
    fake.faults_after.append("hang up")

    assert await call.ask("save_product", productNumber=2) == {"saved": KETTLE}
    assert fake.saved == {"ana": {2}}
    assert len(call.announced) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_does_not_pass_is_not_tried_again(call: Call, fake: FakeStore, status: int) -> None:
    fake.faults.append(status)

    assert await call.ask("search_products", query="tea") == {"error": UNAVAILABLE}
    assert len(fake.requests) == 1


MALFORMED: list[Fault] = [
    b"",
    b"<html>",
    b"null",
    b'{"products": 7}',
    b'{"products": [{"name": "x"}]}',
    b"\xff",
]


@pytest.mark.parametrize("fault", [*MALFORMED, b" " * 2_000_000, 500])
async def test_a_failing_backend_gives_the_model_a_plain_statement(
    call: Call, fake: FakeStore, fault: Fault, logged: list[str]
) -> None:
    fake.faults.extend([fault] * 3)
    assert await call.ask("search_products", query="secret wish") == {"error": UNAVAILABLE}
    fake.faults.clear()
    fake.faults.extend([fault] * 3)
    assert await call.ask("save_product", productNumber=2) == {"error": UNSETTLED}

    assert call.announced == []
    disclosed = json.dumps([UNAVAILABLE, UNSETTLED, *logged])
    assert not any(word in disclosed for word in ("Traceback", "http://", "secret"))


async def test_a_backend_that_hangs_keeps_the_caller_waiting_no_longer_than_the_limit(
    fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    fake.faults.append("hang")
    call = Call(Store(http, fake.url, None, StoreTimeouts(total=0.1)))

    async with asyncio.timeout(10):
        assert await call.ask("search_products", query="tea") == {"error": UNAVAILABLE}
    assert len(fake.requests) == 1


async def test_a_backend_that_is_not_there_is_said_as_such(http: aiohttp.ClientSession) -> None:
    call = Call(Store(http, "http://127.0.0.1:1", None, QUICK))

    assert await call.ask("search_products", query="tea") == {"error": UNAVAILABLE}


async def test_a_save_begun_is_finished_though_the_caller_speaks_over_it(call: Call, fake: FakeStore) -> None:
    fake.gate.clear()
    async with call.tools:
        saving = asyncio.create_task(call.ask("save_product", productNumber=2))
        await fake.until(lambda: len(fake.requests) == 1)
        saving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await saving
        fake.gate.set()

    assert fake.saved == {"ana": {2}}
    assert call.announced == [{"type": "product_saved", "number": 2, "product": KETTLE}]


async def test_a_removal_after_an_interrupted_save_has_the_final_report(call: Call, fake: FakeStore) -> None:
    fake.gate.clear()
    async with call.tools:
        saving = asyncio.create_task(call.ask("save_product", productNumber=2))
        await fake.until(lambda: len(fake.requests) == 1)
        saving.cancel()
        removing = asyncio.create_task(call.ask("remove_product", productNumber=2))
        await asyncio.wait([saving])
        fake.gate.set()
        await removing

    assert [request.path for request in fake.requests] == ["/saveProductByNumber", "/removeProductByNumber"]
    assert fake.saved == {"ana": set()}


async def test_the_end_of_a_call_waits_for_a_change_only_so_long(
    fake: FakeStore, http: aiohttp.ClientSession, logged: list[str]
) -> None:
    fake.gate.clear()
    call = Call(Store(http, fake.url, None, StoreTimeouts(total=3600.0)))
    call.tools = ProductTools(
        Store(http, fake.url, None, StoreTimeouts(total=3600.0)), "ana", print_nothing, finish_within=0.01
    )
    async with asyncio.timeout(10), call.tools:
        saving = asyncio.create_task(call.ask("save_product", productNumber=2))
        await fake.until(lambda: len(fake.requests) == 1)

    await asyncio.wait([saving])
    assert saving.cancelled()
    assert any("changes not finished" in line for line in logged)


async def print_nothing(_: dict[str, Any]) -> None:
    """A page that nobody looks at."""


async def test_the_call_is_told_of_the_goodbye_before_the_model_may_say_it() -> None:
    order: list[str] = []

    tool = end_call_tool(lambda: order.append("completed"))
    assert tool.handler is not None
    result = await result_of(tool.handler, {})

    assert (tool.name, tool.properties, order) == ("end_call", {}, ["completed"])
    assert "goodbye" in result["next"]
