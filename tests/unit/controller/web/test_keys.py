"""Who may do what."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest

from controller.web.auth import Key, KeyScope, read_keys
from testing.fakes.controllers.site import Serve, Site


def key(name: str, *scopes: str) -> Key:
    return Key(name, hashlib.sha256(name.encode()).hexdigest(), frozenset(map(KeyScope, scopes)))


KEYS = (key("starter", "start"), key("reader", "read"), key("stopper", "stop"), key("boss", "admin"))
REQUESTS = {
    "start": [("POST", "/v1/sessions"), ("POST", "/start-agent"), ("POST", "/start")],
    "read": [
        ("GET", "/v1/sessions"),
        ("GET", "/v1/sessions/x"),
        ("GET", "/v1/sessions/x/logs"),
        ("GET", "/v1/sessions/x/events"),
        ("GET", "/agents"),
        ("GET", "/health"),
    ],
    "stop": [("DELETE", "/v1/sessions/x"), ("POST", "/stop-agent/x")],
}
EACH = [(scope, method, path) for scope, calls in REQUESTS.items() for method, path in calls]


@pytest.mark.parametrize(("scope", "method", "path"), EACH)
async def test_each_call_needs_its_scope(serve: Serve, scope: str, method: str, path: str) -> None:
    async with serve(keys=KEYS) as site:

        async def status(bearer: str | None) -> int:
            headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
            content_type = {} if method == "GET" else {"content-type": "application/json"}
            return (await site.client.request(method, path, headers=headers | content_type)).status_code

        assert await status(None) == 401
        assert await status("wrong") == 401
        for name, scopes in (("starter", "start"), ("reader", "read"), ("stopper", "stop"), ("boss", scope)):
            assert (await status(name) == 403) is (scopes != scope)


async def test_a_missing_key_is_told_where_to_find_one(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        answer = await site.client.get("/v1/sessions")

    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "unauthorized"
    assert answer.json()["detail"] == "Send a key from PODLINE_KEYS_FILE as `Authorization: Bearer KEY`."


async def test_a_key_of_too_little_scope_is_told_which_one_it_lacks(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        answer = await site.client.get("/v1/sessions", headers={"Authorization": "bearer starter"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["detail"] == "The key 'starter' lacks the scope 'read'."


async def test_probes_need_no_key(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        assert (await site.client.get("/livez")).status_code == 200
        assert (await site.client.get("/readyz")).status_code == 200


async def test_with_keys_the_page_is_closed_until_the_public_may_start(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        assert (await site.client.get("/")).status_code == 404
    async with serve(keys=KEYS, public_start=True) as site:
        assert (await site.client.get("/")).headers["content-type"].startswith("text/html")


async def test_the_public_may_start_and_do_nothing_else(serve: Serve) -> None:
    async with serve(keys=KEYS, public_start=True) as site:
        session = (await site.client.post("/start", json={})).json()["sessionId"]
        for method, path in (("GET", f"/v1/sessions/{session}"), ("DELETE", f"/v1/sessions/{session}")):
            assert (await site.client.request(method, path)).status_code == 401
        assert (await site.client.post("/start-agent", json={})).status_code == 401


async def test_the_public_is_slowed_down_and_key_holders_are_not(serve: Serve) -> None:
    async with serve(keys=KEYS, public_start=True, public_starts_per_minute=2) as site:
        answers = [await site.client.post("/start", json={}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        holder = await site.client.post("/start", json={}, headers={"Authorization": "Bearer starter"})
        assert holder.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:7860"}, 200),
        ({"host": "localhost:7860", "origin": "http://localhost:7860"}, 200),
        ({"host": "[::1]:7860"}, 200),
        ({"host": "voice.example.com"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "localhost.evil.example"}, 403),
        ({"host": "["}, 403),
        ({"host": "localhost:7860", "origin": "http://localhost:3000"}, 403),
        ({"host": "localhost:7860", "origin": "https://evil.example"}, 403),
        ({"host": "localhost:7860", "origin": "null"}, 403),
    ],
)
async def test_without_keys_no_other_sites_page_gets_in(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    async with serve() as site:
        assert (await site.client.get("/v1/sessions", headers=headers)).status_code == status
        start = await site.client.post("/start", json={}, headers=headers)
        assert start.status_code == status
        assert len(site.runtime.launches) == (status == 200)


@pytest.mark.parametrize("path", ["/v1/sessions", "/start", "/start-agent"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_without_keys_only_json_starts_a_bot(site: Site, path: str, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await site.client.post(path, content=b'{"user_id": "ana"}', headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in answer.json()["detail"]
    assert site.runtime.launches == []


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([{"name": "web", "sha256": "a" * 64, "scopes": ["start", "read"]}]))

    assert read_keys(path) == (Key("web", "a" * 64, frozenset({KeyScope.START, KeyScope.READ})),)


@pytest.mark.parametrize(
    "keys",
    [
        {"name": "web"},
        [{"name": "web", "sha256": "short", "scopes": []}],
        [{"name": "web", "sha256": "a" * 64, "scopes": ["everything"]}],
        [{"name": "web", "sha256": "a" * 64, "scopes": [], "key": "plain"}],
    ],
)
def test_a_malformed_keys_file_is_refused(tmp_path: Path, keys: object) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(keys))
    with pytest.raises(msgspec.DecodeError):
        read_keys(path)
