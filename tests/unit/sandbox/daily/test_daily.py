"""The sandbox's Daily over plain HTTP: time, limits, refusals, and misbehaviour on command."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from sandbox.daily.refusals import Refusal
from sandbox.daily.requests import TokenProperties
from sandbox.daily.server import DailyServer, create_daily_app
from sandbox.daily.tokens import make_token, read_token

KEY = "sandbox-key"
NOW = 1_800_000_000.0
Answer = tuple[int, Any]


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = NOW

    def __call__(self) -> float:
        return self.seconds


class Api:
    """Daily, with a client that has the key."""

    def __init__(
        self, client: "TestClient[web.Request, web.Application]", daily: DailyServer, time: Time
    ) -> None:
        self.client = client
        self.orders = daily.orders
        self.time = time
        self.headers = {"Authorization": f"Bearer {KEY}"}

    async def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        data = body if isinstance(body, str) else json.dumps(body or {})
        answer = await self.client.request(method, f"/v1{path}", data=data, headers=self.headers)
        return answer.status, await answer.json()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    time = Time()
    daily = DailyServer(KEY, time, time)
    async with TestClient(TestServer(create_daily_app(daily))) as client:
        yield Api(client, daily, time)


async def test_an_expired_room_is_as_good_as_deleted(api: Api) -> None:
    await api("POST", "/rooms", {"name": "lamp", "properties": {"exp": NOW + 10}})
    api.time.seconds += 10

    missing = {"error": "not-found", "info": "room lamp not found"}
    assert await api("GET", "/rooms/lamp") == (404, missing)
    assert await api("GET", "/rooms") == (200, {"total_count": 0, "data": []})
    assert await api("DELETE", "/rooms/lamp") == (404, {**missing, "deleted": True})
    assert await api("DELETE", "/rooms/lamp") == (404, missing)
    status, _ = await api("POST", "/rooms", {"name": "lamp"})
    assert status == 200


async def test_a_deletion_says_what_it_deleted(api: Api) -> None:
    await api("POST", "/rooms", {"name": "lamp"})

    assert await api("DELETE", "/rooms/lamp") == (200, {"deleted": True, "name": "lamp"})


async def test_a_room_shows_only_what_differs_from_the_defaults(api: Api) -> None:
    _, room = await api(
        "POST", "/rooms", {"properties": {"enable_chat": False, "max_participants": 2, "exp": NOW + 9}}
    )
    assert room["config"] == {"max_participants": 2, "exp": NOW + 9}


async def test_rooms_are_listed_latest_first_in_pages(api: Api) -> None:
    for name in ("a", "b", "c"):
        await api("POST", "/rooms", {"name": name})

    _, first = await api("GET", "/rooms?limit=2")
    _, rest = await api("GET", f"/rooms?starting_after={first['data'][1]['id']}")
    _, back = await api("GET", f"/rooms?ending_before={rest['data'][0]['id']}")
    assert [[room["name"] for room in page["data"]] for page in (first, rest, back)] == [
        ["c", "b"],
        ["a"],
        ["c", "b"],
    ]
    assert first["total_count"] == rest["total_count"] == 3


@pytest.mark.parametrize(
    ("path", "body", "error", "info"),
    [
        (
            "/rooms",
            {"name": "a b"},
            "invalid-request-error",
            "a b contains invalid characters (room names can contain A-Z, a-z, 0-9, '-', and '_')",
        ),
        (
            "/rooms",
            {"properties": {"exp": NOW - 1}},
            "invalid-request-error",
            "exp was '1799999999', which is in the past rather than in the future",
        ),
        (
            "/meeting-tokens",
            {"properties": {"exp": 5}},
            "invalid-request-error",
            "exp was '5', which is in the past rather than in the future",
        ),
        (
            "/rooms",
            {"properties": {"max_participants": 201}},
            "invalid-request-error",
            "Expected `int` <= 200 - at `$.properties.max_participants`",
        ),
        (
            "/rooms",
            {"privacy": "secret"},
            "invalid-request-error",
            "Invalid enum value 'secret' - at `$.privacy`",
        ),
        ("/rooms", "{", "json-parsing-error", "Input data was truncated"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_fault(
    api: Api, path: str, body: Any, error: str, info: str
) -> None:
    assert await api("POST", path, body) == (400, {"error": error, "info": info})


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ({}, 400, "authorization-header-error"),
        ({"Authorization": KEY}, 400, "authorization-header-error"),
        ({"Authorization": "Bearer wrong"}, 401, "authentication-error"),
    ],
)
async def test_without_the_key_nothing_is_told(
    api: Api, headers: dict[str, str], status: int, error: str
) -> None:
    api.headers = headers
    answered, body = await api("GET", "/rooms")
    assert (answered, body["error"]) == (status, error)


async def test_more_than_100_requests_in_5_seconds_are_too_many(api: Api) -> None:
    for _ in range(100):
        assert (await api("GET", "/rooms"))[0] == 200
    refused = await api.client.get("/v1/rooms", headers=api.headers)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
    assert (await refused.json())["error"] == "rate-limit-error"

    api.time.seconds += 5
    assert (await api("GET", "/rooms"))[0] == 200


async def test_deletions_have_a_limit_of_their_own(api: Api) -> None:
    for _ in range(50):
        assert (await api("DELETE", "/rooms/lamp"))[0] == 404
    assert (await api("DELETE", "/rooms/lamp"))[0] == 429
    assert (await api("GET", "/rooms"))[0] == 200


async def test_a_token_is_valid_until_it_expires(api: Api) -> None:
    wanted = {"room_name": "lamp", "is_owner": True, "exp": NOW + 10}
    _, made = await api("POST", "/meeting-tokens", {"properties": wanted})

    assert await api("GET", f"/meeting-tokens/{made['token']}") == (200, wanted)
    api.time.seconds += 10
    expired = {"error": "invalid-request-error", "info": "the token has expired"}
    assert await api("GET", f"/meeting-tokens/{made['token']}") == (400, expired)


@given(st.text(max_size=80))
def test_no_text_is_a_token(text: str) -> None:
    with pytest.raises(Refusal):
        read_token(text, KEY, NOW)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_token_with_one_letter_changed_is_no_token(at: int, letter: str) -> None:
    token = make_token(TokenProperties(room_name="lamp"), KEY, "domain", NOW)
    at %= len(token) - 1  # the last letter of all holds bits that mean nothing
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        with pytest.raises(Refusal):
            read_token(changed, KEY, NOW)


@pytest.mark.parametrize(
    ("order", "status"), [({"name": "status", "status": 503}, 503), ({"name": "rate_limit"}, 429)]
)
async def test_an_ordered_failure_happens_once(api: Api, order: dict[str, Any], status: int) -> None:
    await api.orders.add(json.dumps({"target": "daily", **order}).encode())

    assert (await api("POST", "/rooms"))[0] == status
    assert (await api("POST", "/rooms"))[0] == 200


async def test_a_malformed_answer_hides_a_room_that_was_made(api: Api) -> None:
    await api.orders.add(b'{"target": "daily", "name": "malformed", "path": "/rooms"}')

    answer = await api.client.post("/v1/rooms", headers=api.headers)
    assert (answer.status, await answer.text()) == (200, '{"id": "')
    assert (await api("GET", "/rooms"))[1]["total_count"] == 1


async def test_a_slow_answer_comes_all_the_same(api: Api) -> None:
    await api.orders.add(b'{"target": "daily", "name": "slow", "seconds": 0.05}')

    assert (await api("POST", "/rooms"))[0] == 200
