"""A page of another site uses a visitor's browser to start, stop or watch calls, or to deploy a bot."""

from pathlib import Path
from typing import Any

import pytest

from testing.callers.keys import KEYS, bearer
from testing.fakes.controllers.served import serve_controller
from testing.fakes.controllers.site import Site, serve_site

CLOUD = "/v1/organizations/podline"
SHOP = "https://shop.example.com"
JSON = {"content-type": "application/json"}
FOREIGN = [
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "file://"},
    {"origin": "http://127.0.0.1:9999"},
    {"origin": "http://127.0.0.1.evil.example:7860"},
    {"origin": f"{SHOP}.evil.example"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    {"sec-fetch-site": "nobody knows"},
    {"sec-fetch-site": "cross-site", "origin": "http://127.0.0.1:7860"},
]
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "", None]
WRITES = [
    ("POST", "/start"),
    ("POST", "/v1/sessions"),
    ("POST", "/start-agent"),
    ("POST", "/stop-agent/mine"),
    ("POST", "/sessions/mine/api/offer"),
    ("PATCH", "/sessions/mine/api/offer"),
    ("DELETE", "/v1/sessions/mine"),
    ("PUT", "/v1/agents/mine"),
    ("POST", "/v1/agents/mine/rollback"),
    ("DELETE", "/v1/agents/mine"),
    ("PUT", "/v1/drain"),
    ("POST", f"{CLOUD}/services"),
    ("PUT", f"{CLOUD}/services"),
    ("DELETE", f"{CLOUD}/services/mine"),
    ("DELETE", f"{CLOUD}/services/mine/sessions/mine"),
    ("PUT", f"{CLOUD}/secrets/mine"),
    ("DELETE", f"{CLOUD}/secrets/mine"),
    ("DELETE", f"{CLOUD}/secrets/mine/A"),
    ("POST", "/v1/public/shopping/start"),
    ("POST", "/v1/public/shopping/sessions/mine/api/offer"),
    ("PATCH", "/v1/public/shopping/sessions/mine/api/offer"),
]
KINDS: dict[str, dict[str, Any]] = {
    "without keys": {},
    "with keys": {"keys": KEYS},
    "public": {"keys": KEYS, "public_start": True},
}


def key_of(kind: str) -> dict[str, str]:
    return {} if kind == "without keys" else bearer("boss")


async def bots(site: Site) -> tuple[int, int]:
    return len(site.runtime.launches), len(site.runtime.stopped)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_no_page_of_another_site_changes_anything(kind: str, headers: dict[str, str]) -> None:
    async with serve_site(cors_origins=SHOP, **KINDS[kind]) as site:
        before = await bots(site)
        for method, path in WRITES:
            for key in ({}, key_of(kind)):
                answer = await site.client.request(method, path, json={}, headers=headers | key)
                assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed"), (
                    method,
                    path,
                )
        assert await bots(site) == before


@pytest.mark.parametrize("kind", ["without keys", "public"])
@pytest.mark.parametrize("media_type", FORMS)
@pytest.mark.parametrize("content", [b"", b"{}", b"a=b"])
async def test_no_form_starts_or_stops_a_bot(kind: str, media_type: str | None, content: bytes) -> None:
    async with serve_site(**KINDS[kind]) as site:
        for method, path in WRITES:
            if method == "DELETE":
                continue
            headers = {} if media_type is None else {"content-type": media_type}
            answer = await site.client.request(method, path, content=content, headers=headers)
            assert answer.status_code in ((415,) if kind == "without keys" else (401, 415)), path
        assert await bots(site) == (0, 0)


async def test_a_form_is_refused_with_a_key_as_well_but_an_empty_stop_is_not() -> None:
    async with serve_site(keys=KEYS) as site:
        boss = bearer("boss")
        for path in ("/start", "/v1/sessions", "/start-agent"):
            assert (await site.client.post(path, headers=boss)).status_code == 415
        assert (await site.client.post("/stop-agent/mine", headers=boss)).status_code == 200
        form = boss | {"content-type": "application/x-www-form-urlencoded"}
        assert (await site.client.post("/stop-agent/mine", headers=form)).status_code == 415


@pytest.mark.parametrize("kind", ["without keys", "public"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:7860"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "origin": SHOP},
        {"origin": SHOP.upper()},
    ],
    ids=str,
)
async def test_our_own_page_the_listed_ones_and_programs_do_start(kind: str, headers: dict[str, str]) -> None:
    async with serve_site(cors_origins=SHOP, **KINDS[kind]) as site:
        assert (await site.client.post("/start", json={}, headers=headers)).status_code == 200


async def test_a_listed_page_may_start_with_the_key_that_it_has_in_the_browser() -> None:
    async with serve_site(cors_origins=SHOP, keys=KEYS) as site:
        headers = {"origin": SHOP, "sec-fetch-site": "cross-site"} | bearer("browser")
        answer = await site.client.post("/start", json={}, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == SHOP


async def test_behind_a_known_address_no_other_name_passes_for_it() -> None:
    """DNS rebinding: the page's own name leads to us, so that Origin and Host agree."""
    async with serve_site(
        keys=KEYS, keys_file="keys.json", public_start=True, public_url="https://voice.example.com"
    ) as site:
        for host, origin, status in (
            ("evil.example", "https://evil.example", 403),
            ("voice.example.com", "https://voice.example.com", 200),
            ("internal:7860", "https://voice.example.com", 200),
            ("localhost:7860", "http://localhost:7860", 200),
        ):
            answer = await site.client.post("/start", json={}, headers={"host": host, "origin": origin})
            assert answer.status_code == status, host


PATHS = [
    "/",
    "/app.js",
    "/metrics",
    "/livez",
    "/readyz",
    "/openapi.json",
    "/v1/sessions",
    "/nowhere",
    "/health",
]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "[", "0x7f000001.evil"]
)
async def test_without_keys_nothing_is_shown_under_a_foreign_name(host: str) -> None:
    async with serve_site() as site:
        for path in PATHS:
            answer = await site.client.get(path, headers={"host": host})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path


async def test_without_keys_no_other_page_may_read_and_a_link_may_be_followed() -> None:
    async with serve_site() as site:
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            for path in PATHS:
                assert (await site.client.get(path, headers=headers)).status_code == 403
        link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert (await site.client.get("/", headers=link)).status_code == 200


async def test_over_a_real_socket_neither_a_form_nor_a_foreign_name_gets_through(tmp_path: Path) -> None:
    async with serve_controller(tmp_path, "join") as controller:
        form = await controller.client.post("/start", headers={"origin": "https://evil.example"})
        foreign = [
            await controller.client.get(path, headers={"host": "evil.example"})
            for path in ("/metrics", "/livez", "/readyz", "/openapi.json", "/")
        ]
        assert [each.status_code for each in (form, *foreign)] == [403] * 6
        for path in ("/metrics", "/livez", "/readyz", "/"):
            assert (await controller.client.get(path)).status_code == 200
        assert (await controller.client.get("/v1/sessions")).json()["sessions"] == []
