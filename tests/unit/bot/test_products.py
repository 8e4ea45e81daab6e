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
from bot.tools import results
from bot.tools.arguments import product_number
from bot.tools.ending import end_call_tool
from bot.tools.products import ProductTools
from podline.frames import ModelNoteFrame
from testing.fakes.bots.bot_store import KETTLE, FakeStore, Fault, SeenRequest

QUICK = StoreTimeouts(connect=2.0, total=2.0, pauses=(0.01, 0.01))


class Call:
    """A call's tools, called as the model calls them, and what its page has received."""

    def __init__(self, store: Store, user_id: str = "ana", answer_within: float = 8.0) -> None:
        self.announced: list[dict[str, Any]] = []
        self.model = NotedModel()
        self.tools = ProductTools(store, user_id, self._announce, answer_within=answer_within)

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Call a tool and return what the model gets."""
        [function] = [one for one in self.tools.functions if one.name == name]
        assert function.handler is not None
        return await result_of(function.handler, arguments, self.model)

    async def _announce(self, message: dict[str, Any]) -> None:
        self.announced.append(message)


class NotedModel:
    """A model's service, as far as a tool that reports late knows it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    async def queue_frame(self, frame: ModelNoteFrame) -> None:
        assert not frame.run_llm
        self.notes += [str(message["content"]) for message in cast("list[dict[str, Any]]", frame.messages)]


async def result_of(
    handler: Callable[..., Awaitable[None]], arguments: dict[str, Any], model: NotedModel | None = None
) -> Any:
    answers: list[Any] = []

    async def take(result: Any, **_: Any) -> None:
        answers.append(result)

    nothing = cast("Any", None)
    await handler(
        FunctionCallParams(
            function_name="any",
            tool_call_id="1",
            arguments=arguments,
            llm=cast("Any", model),
            pipeline_worker=nothing,
            context=nothing,
            result_callback=take,
        )
    )
    [result] = answers
    return result


def is_failure(result: Any, *, done: str = "no", say: str = "") -> bool:
    """Whether a result says what failed, whether it happened, whether to retry, and what to say."""
    assert set(result) == {"error", "done", "retry", "say"}
    assert all(isinstance(value, str) and 0 < len(value) <= 400 for value in result.values())
    return result["done"] == done and say in result["say"]


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

    result = await call.ask("search_products", query="tea")

    assert is_failure(result, say=results.SHOP_IS_AWAY)
    assert result["retry"].startswith("No")
    assert len(fake.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_change_that_the_store_refused_was_not_made(call: Call, fake: FakeStore, status: int) -> None:
    fake.faults.append(status)

    result = await call.ask("save_product", productNumber=2)

    assert is_failure(result, say="Nothing was saved.")
    assert result["retry"].startswith("No")


async def test_a_refusal_after_an_attempt_without_an_answer_leaves_the_change_unknown(
    call: Call, fake: FakeStore
) -> None:
    fake.faults_after.append("hang up")
    fake.faults.append("pass")
    fake.faults.append(401)

    assert is_failure(await call.ask("save_product", productNumber=2), done="unknown")
    assert fake.saved == {"ana": {2}}


@pytest.mark.parametrize(
    ("tool", "detail", "told"),
    [
        ("save_product", {"alreadySaved": True}, {"alreadySaved": True}),
        ("save_product", {"alreadySaved": "perhaps"}, {}),
        ("remove_product", {"removed": False}, {"wasOnList": False}),
        ("remove_product", {"removed": {"number": 2}}, {}),
    ],
)
async def test_a_change_that_changed_nothing_is_said_as_such(
    call: Call, fake: FakeStore, tool: str, detail: dict[str, Any], told: dict[str, Any]
) -> None:
    fake.details = detail

    result = await call.ask(tool, productNumber=2)

    done = "saved" if tool == "save_product" else "removed"
    assert result.pop(done) == KETTLE
    assert result.pop("message", None) is not None if told else True
    assert result == told


async def test_a_repeated_attempt_of_ours_is_not_taken_for_an_earlier_save(
    call: Call, fake: FakeStore
) -> None:
    fake.details = {"alreadySaved": True}
    fake.faults_after.append("hang up")

    assert await call.ask("save_product", productNumber=2) == {"saved": KETTLE}


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
    searched = await call.ask("search_products", query="secret wish")
    fake.faults.clear()
    fake.faults.extend([fault] * 3)
    saved = await call.ask("save_product", productNumber=2)

    assert is_failure(searched, say=results.SHOP_IS_AWAY)
    assert is_failure(saved, done="unknown", say="can't tell whether it worked")
    assert call.announced == []
    disclosed = json.dumps([searched, saved, *logged])
    assert not any(word in disclosed for word in ("Traceback", "http://", "secret"))


async def test_a_backend_that_hangs_keeps_the_caller_waiting_no_longer_than_the_limit(
    fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    fake.faults.append("hang")
    call = Call(Store(http, fake.url, None, StoreTimeouts(total=0.1)))

    async with asyncio.timeout(10):
        assert is_failure(await call.ask("search_products", query="tea"), say=results.SHOP_IS_AWAY)
    assert len(fake.requests) == 1


async def test_a_backend_that_is_not_there_is_said_as_such(http: aiohttp.ClientSession) -> None:
    call = Call(Store(http, "http://127.0.0.1:1", None, QUICK))

    assert is_failure(await call.ask("search_products", query="tea"), say=results.SHOP_IS_AWAY)
    assert is_failure(await call.ask("save_product", productNumber=2), say="Nothing was saved.")


async def test_a_search_in_a_store_that_is_slower_than_the_tool_has_an_answer(
    fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    fake.faults.append("hang")
    call = Call(Store(http, fake.url, None, StoreTimeouts(total=3600.0)), answer_within=0.05)

    async with asyncio.timeout(10):
        assert is_failure(await call.ask("search_products", query="tea"), say=results.SHOP_IS_AWAY)


async def test_a_save_that_takes_longer_than_the_tool_is_answered_and_its_end_reported(
    fake: FakeStore, http: aiohttp.ClientSession
) -> None:
    fake.gate.clear()
    call = Call(Store(http, fake.url, None, StoreTimeouts(total=3600.0)), answer_within=0.05)
    async with asyncio.timeout(10), call.tools:
        answer = await call.ask("save_product", productNumber=2)
        assert is_failure(answer, done="unknown")
        assert (call.model.notes, call.announced) == ([], [])
        fake.gate.set()

    assert call.announced == [{"type": "product_saved", "number": 2, "product": KETTLE}]
    [note] = call.model.notes
    assert "number 2" in note
    assert "succeeded" in note


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
    [note] = call.model.notes
    assert "succeeded" in note


async def test_a_save_that_fails_after_the_caller_has_spoken_over_it_is_reported_as_failed(
    call: Call, fake: FakeStore
) -> None:
    fake.gate.clear()
    fake.products = []
    async with call.tools:
        saving = asyncio.create_task(call.ask("save_product", productNumber=2))
        await fake.until(lambda: len(fake.requests) == 1)
        saving.cancel()
        await asyncio.wait([saving])
        fake.gate.set()

    [note] = call.model.notes
    assert "has failed. There is no product number 2." in note
    assert call.announced == []


async def test_a_search_that_is_cancelled_stops_and_reports_nothing(call: Call, fake: FakeStore) -> None:
    fake.faults.append("hang")
    async with call.tools:
        searching = asyncio.create_task(call.ask("search_products", query="tea"))
        await fake.until(lambda: len(fake.requests) == 1)
        searching.cancel()
        await asyncio.wait([searching])

    assert searching.cancelled()
    assert (call.model.notes, call.announced) == ([], [])


async def test_what_ends_in_time_is_not_reported_twice(call: Call) -> None:
    async with call.tools:
        await call.ask("save_product", productNumber=2)

    assert call.model.notes == []


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
