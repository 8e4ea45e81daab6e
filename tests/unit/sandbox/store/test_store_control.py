"""The store misbehaves when ordered to."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.gemini.callers import ModelOrders
from sandbox.gemini.record import ModelRecord
from sandbox.store.catalogue import load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore

StoreClient = TestClient[web.Request, web.Application]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SAVE = "/saveProductByNumber"
SEARCH = "/searchProductsByVoice"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreClient]:
    database = Database(tmp_path)
    state = SandboxStore(
        load_catalogue(),
        database,
        lambda: AT,
        ModelRecord(),
        orders_elsewhere={"model": ModelOrders(time.monotonic)},
    )
    async with TestClient(TestServer(create_store_app(state))) as client:
        yield client
    database.close()


async def order(store: StoreClient, **misbehaviour: Any) -> tuple[int, Any]:
    answer = await store.post("/sandbox/behaviour", json={"target": "store", **misbehaviour})
    return answer.status, await answer.json()


async def save(store: StoreClient, user: str = "ana", number: int = 2) -> tuple[int, str]:
    answer = await store.post(SAVE, json={"userId": user, "productNumber": number})
    return answer.status, await answer.text()


async def saved(store: StoreClient) -> int:
    answer = await store.get("/sandbox/saved", params={"userId": "ana"})
    return len((await answer.json())["products"])


async def test_it_fails_as_often_as_it_was_told(store: StoreClient) -> None:
    await order(store, name="fail", status=503, times=2)
    assert [(await save(store))[0] for _ in range(3)] == [503, 503, 200]


async def test_it_fails_until_all_is_reset(store: StoreClient) -> None:
    await order(store, name="fail", status=500, times=None)
    assert [(await save(store))[0] for _ in range(3)] == [500, 500, 500]
    assert await saved(store) == 0
    assert (await store.delete("/sandbox/behaviour")).status == 204
    assert (await save(store))[0] == 200


async def test_only_the_path_that_was_named_fails(store: StoreClient) -> None:
    await order(store, name="fail", status=500, path=SEARCH)
    assert (await save(store))[0] == 200
    assert (await store.post(SEARCH, json={"query": "lamp"})).status == 500


async def test_only_the_user_who_was_named_is_failed(store: StoreClient) -> None:
    await order(store, name="fail", status=500, user_id="ana")
    assert (await save(store, "bo"))[0] == 200
    assert (await save(store, "ana"))[0] == 500


async def test_a_slow_answer_is_the_right_one_later(store: StoreClient) -> None:
    await order(store, name="slow", seconds=0.2)
    began = time.monotonic()
    status, _ = await save(store)
    assert time.monotonic() - began >= 0.2
    assert (status, await saved(store)) == (200, 1)


async def test_a_malformed_answer_comes_after_the_save(store: StoreClient) -> None:
    await order(store, name="malformed")
    status, answer = await save(store)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer)
    assert (status, await saved(store)) == (200, 1)


async def test_an_answer_of_the_wrong_shape_is_json(store: StoreClient) -> None:
    await order(store, name="wrong_shape")
    status, answer = await save(store)
    assert (status, json.loads(answer)["success"]) == (200, "perhaps")


async def test_a_hanging_request_is_never_answered(store: StoreClient) -> None:
    await order(store, name="hang")
    with pytest.raises(asyncio.TimeoutError):
        await store.post(SAVE, json={}, timeout=ClientTimeout(total=0.1))
    assert (await save(store))[0] == 200


@pytest.mark.parametrize(
    ("misbehaviour", "sentence"),
    [
        ({"target": "moon", "name": "fail"}, "target is one of store, model"),
        ({"name": "fail"}, "missing required field `status`"),
        ({"name": "sulk"}, "Invalid value 'sulk'"),
        ({"name": "hang", "seconds": 3}, "unknown field `seconds`"),
        ({"name": "hang", "times": 0}, ">= 1"),
        ({"target": "model", "name": "drop", "after": "lunch"}, "Invalid enum value 'lunch'"),
        ({"target": "model", "name": "unreachable", "now": True}, "about to connect"),
    ],
)
async def test_what_can_not_be_ordered_is_refused_with_a_sentence(
    store: StoreClient, misbehaviour: dict[str, Any], sentence: str
) -> None:
    status, answer = await order(store, **misbehaviour)
    assert status == 422
    assert sentence in answer["error"]


async def test_an_order_that_is_no_json_is_refused(store: StoreClient) -> None:
    answer = await store.post("/sandbox/behaviour", data="fail, please")
    assert answer.status == 422
