"""The product store over HTTP, as a bot sees it."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sandbox.gemini.record import ModelRecord
from sandbox.store.catalogue import load_catalogue
from sandbox.store.database import Database
from sandbox.store.server import create_store_app
from sandbox.store.state import SandboxStore

StoreClient = TestClient[web.Request, web.Application]
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TURN = {"index": 0, "role": "user", "text": "Find lamps.", "at": "2026-01-02T03:04:05.678Z"}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[StoreClient]:
    database = Database(tmp_path)
    app = create_store_app(SandboxStore(load_catalogue(), database, lambda: AT, ModelRecord()))
    async with TestClient(TestServer(app)) as client:
        yield client
    database.close()


async def post(store: StoreClient, path: str, body: Any) -> tuple[int, Any]:
    answer = await store.post(path, data=body if isinstance(body, str) else json.dumps(body))
    return answer.status, await answer.json()


async def saved(store: StoreClient, user: str) -> list[int]:
    answer = await store.get("/sandbox/saved", params={"userId": user})
    return [product["number"] for product in (await answer.json())["products"]]


async def test_a_search_tells_five_products_at_most_and_how_many_there_are(store: StoreClient) -> None:
    status, found = await post(
        store, "/searchProductsByVoice", {"query": "", "category": "Shoes", "priceRange": "under $100"}
    )
    assert status == 200
    assert len(found["products"]) == 5
    assert found["total"] > 5
    assert found["products"][0] == {
        "number": 2,
        "name": "Trail running shoes",
        "category": "Shoes",
        "price": 89.0,
        "currency": "USD",
        "description": "Grippy soles for wet paths and roots",
    }


async def test_a_search_needs_no_category_and_no_price(store: StoreClient) -> None:
    status, found = await post(
        store, "/searchProductsByVoice", {"query": "kite", "category": None, "priceRange": None}
    )
    assert (status, found["total"]) == (200, 1)


async def test_saving_twice_keeps_one(store: StoreClient) -> None:
    first = await post(store, "/saveProductByNumber", {"userId": "ana", "productNumber": 2})
    second = await post(store, "/saveProductByNumber", {"userId": "ana", "productNumber": 2})
    assert (first[0], first[1]["success"], first[1]["alreadySaved"]) == (200, True, False)
    assert (second[0], second[1]["success"], second[1]["alreadySaved"]) == (200, True, True)
    assert await saved(store, "ana") == [2]


async def test_removing_twice_is_no_fault(store: StoreClient) -> None:
    await post(store, "/saveProductByNumber", {"userId": "ana", "productNumber": 2})
    first = await post(store, "/removeProductByNumber", {"userId": "ana", "productNumber": 2})
    second = await post(store, "/removeProductByNumber", {"userId": "ana", "productNumber": 2})
    assert [first[1]["removed"], second[1]["removed"]] == [True, False]
    assert await saved(store, "ana") == []


async def test_lists_belong_to_their_users(store: StoreClient) -> None:
    await post(store, "/saveProductByNumber", {"userId": "ana", "productNumber": 2})
    assert await saved(store, "bo") == []


@pytest.mark.parametrize("path", ["/saveProductByNumber", "/removeProductByNumber"])
async def test_an_unknown_number_is_not_found(store: StoreClient, path: str) -> None:
    status, answer = await post(store, path, {"userId": "ana", "productNumber": 9999})
    assert (status, answer["success"]) == (404, False)
    assert answer["error"] == "There is no product number 9999."


async def test_a_number_written_with_a_point_is_that_number(store: StoreClient) -> None:
    status, answer = await post(store, "/saveProductByNumber", '{"userId": "ana", "productNumber": 2.0}')
    assert (status, answer["product"]["number"]) == (200, 2)


@pytest.mark.parametrize("number", ["2.5", '"2"', "true", "null", "0", "-1", "[2]", "1e300", "NaN"])
async def test_what_is_no_product_number_is_refused(store: StoreClient, number: Any) -> None:
    status, answer = await post(
        store, "/saveProductByNumber", f'{{"userId": "ana", "productNumber": {number}}}'
    )
    assert (status, answer["success"]) == (400, False)
    assert answer["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/searchProductsByVoice", "no json"),
        ("/searchProductsByVoice", {"category": None}),
        ("/searchProductsByVoice", {"query": 3}),
        ("/saveProductByNumber", {"productNumber": 2}),
        ("/saveProductByNumber", {"userId": "", "productNumber": 2}),
        ("/saveTranscript", {"sessionId": "s", "userId": "u", "turns": [{**TURN, "role": "bot"}]}),
        ("/saveTranscript", {"sessionId": "s", "userId": "u", "turns": [{**TURN, "at": "yesterday"}]}),
        ("/saveTranscript", {"sessionId": "s", "userId": "u", "turns": [{**TURN, "index": -1}]}),
    ],
)
async def test_a_malformed_body_is_refused_with_a_sentence(store: StoreClient, path: str, body: Any) -> None:
    status, answer = await post(store, path, body)
    assert (status, answer["success"]) == (400, False)
    assert answer["error"]


async def test_a_turn_sent_again_is_stored_once(store: StoreClient, tmp_path: Path) -> None:
    transcript = {"sessionId": "s", "userId": "ana", "turns": [TURN]}
    await post(store, "/saveTranscript", transcript)
    later = {**TURN, "index": 1, "role": "assistant", "text": "Here are lamps."}
    status, answer = await post(store, "/saveTranscript", {**transcript, "turns": [TURN, later]})

    assert (status, answer) == (200, {"success": True})
    lines = [json.loads(line) for line in (tmp_path / "transcripts.jsonl").read_text().splitlines()]
    assert lines == [
        {"sessionId": "s", "userId": "ana", **TURN},
        {"sessionId": "s", "userId": "ana", **later},
    ]
    answer = await (await store.get("/sandbox/transcripts", params={"sessionId": "s"})).json()
    assert answer["turns"] == lines


async def test_each_request_is_told_as_it_came(store: StoreClient) -> None:
    await post(store, "/searchProductsByVoice", {"query": "kite", "category": None, "priceRange": None})
    answer = await (await store.get("/sandbox/requests")).json()
    assert answer["requests"] == [
        {
            "path": "/searchProductsByVoice",
            "body": {"query": "kite", "category": None, "priceRange": None},
            "at": "2026-01-02T03:04:05Z",
        }
    ]


async def test_a_list_outlives_the_store(tmp_path: Path) -> None:
    first = Database(tmp_path)
    first.save("ana", 2)
    first.close()
    second = Database(tmp_path)
    assert second.saved("ana") == [2]
    second.close()
