"""What the model gets to say when the shop fails or is slow, and when a tool's call is cut off."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.store import Store, StoreTimeouts
from bot.tools import results
from bot.tools.products import ProductTools
from testing.fakes.bots.bot_store import KETTLE, FakeStore, Fault
from tests.unit.bot.tool_calls import QUICK, Call, is_failure


@pytest.fixture
async def fake() -> AsyncIterator[FakeStore]:
    async with FakeStore() as fake:
        yield fake


@pytest.fixture
def call(fake: FakeStore, http: aiohttp.ClientSession) -> Call:
    return Call(Store(http, fake.url, "convex-secret", QUICK))


MALFORMED: list[Fault] = [
    b"",
    b"<html>",
    b"null",
    b'{"products": 7}',
    b'{"products": [{"name": "x"}]}',
    b"\xff",
]


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


async def test_a_repeated_attempt_of_ours_is_not_taken_for_an_earlier_save(
    call: Call, fake: FakeStore
) -> None:
    fake.details = {"alreadySaved": True}
    fake.faults_after.append("hang up")

    assert await call.ask("save_product", productNumber=2) == {"saved": KETTLE}


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


async def test_a_backend_that_is_not_there_is_reported_as_such(http: aiohttp.ClientSession) -> None:
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
    """Do nothing: nobody looks at the page."""
