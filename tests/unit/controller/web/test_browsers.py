"""What pages of other sites may do, what a browser receives, and whose address counts."""

import asyncio
import hashlib
from typing import Any

import pytest
from pydantic import ValidationError

from controller.web.auth import Key, KeyScope
from controller.web.clients import one_client
from controller.web.errors import TooManyOffers
from controller.web.offer_limit import OfferLimit
from testing.fakes.controllers.site import Serve, Site
from testing.settings import settings_of

SHOP = "https://shop.example.com"
KEYS = (Key("boss", hashlib.sha256(b"boss").hexdigest(), frozenset({KeyScope.ADMIN})),)
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


async def test_without_a_list_no_page_of_another_site_is_let_in(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        answer = await site.client.get("/v1/sessions", headers={"origin": SHOP})

    assert not any(name.startswith("access-control-allow") for name in answer.headers)


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({"keys": KEYS}, SHOP),
        ({"keys": KEYS, "cors_origins": SHOP}, "https://sohp.example.com"),
        ({}, "http://localhost:3000"),
    ],
    ids=["none is listed", "another is listed", "on this machine"],
)
async def test_a_page_that_may_not_call_can_read_that(
    serve: Serve, settings: dict[str, Any], origin: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not taken for a network that fails, and the operator reads what to add where."""
    async with serve(**settings) as site:
        headers = {"origin": origin, "sec-fetch-site": "cross-site"}
        preflight = await site.client.options("/start", headers=headers | PREFLIGHT)
        answer = await site.client.post("/start", json={}, headers=headers)

        assert site.runtime.launches == []
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert f"add {origin} to PODLINE_CORS_ORIGINS" in answer.json()["detail"]
    for each in (preflight, answer):
        assert each.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in each.headers
    [logged] = [each for each in caplog.records if each.message == "origin not allowed"]
    assert (logged.__dict__["origin"], logged.__dict__["setting"]) == (origin, "PODLINE_CORS_ORIGINS")


async def test_nobody_is_told_to_list_pages_that_any_site_can_have(serve: Serve) -> None:
    async with serve(keys=KEYS) as site:
        answer = await site.client.post("/start", json={}, headers={"origin": "null"})

    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_allowed")
    assert "add null" not in answer.json()["detail"]
    assert "serve it from a web server" in answer.json()["detail"]


async def test_no_site_learns_what_runs_on_a_visitors_machine(serve: Serve) -> None:
    async with serve() as site:
        headers = {"origin": "https://evil.example"}
        preflight = await site.client.options("/start", headers=headers | PREFLIGHT)
        answer = await site.client.post("/start", json={}, headers=headers)

    for each in (preflight, answer):
        assert each.status_code == 403
        assert not any(name.startswith("access-control-allow") for name in each.headers)


async def test_origins_that_somebody_invents_do_not_fill_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(keys=KEYS) as site:
        for number in range(40):
            await site.client.post("/start", json={}, headers={"origin": f"https://{number}.example"})

    assert len([each for each in caplog.records if each.message == "origin not allowed"]) == 32


async def test_a_listed_page_may_call_and_any_other_may_not(serve: Serve) -> None:
    async with serve(keys=KEYS, cors_origins=SHOP) as site:
        preflight = await site.client.options("/v1/sessions", headers={"origin": SHOP, **PREFLIGHT})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == SHOP
        assert "access-control-allow-credentials" not in preflight.headers
        stranger = await site.client.get("/v1/sessions", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in stranger.headers


async def test_a_listed_page_can_read_refusals_and_failures_too(serve: Serve) -> None:
    async with serve(cors_origins=SHOP) as site:
        site.runtime.refusal = TypeError("a bug")
        failed = await site.client.post("/v1/sessions", json={"user_id": "ana"}, headers={"origin": SHOP})
        missing = await site.client.get("/v1/sessions/ghost", headers={"origin": SHOP})

    assert [failed.status_code, missing.status_code] == [500, 404]
    for answer in (failed, missing):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert answer.headers["access-control-expose-headers"] == "Retry-After"


@pytest.mark.parametrize("origin", ["*", "null", "shop.example.com", f"{SHOP}/", f"{SHOP}/path", "ftp://x"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str) -> None:
    with pytest.raises(ValidationError, match="an origin looks like https://shop"):
        settings_of(cors_origins=origin)


@pytest.mark.parametrize("path", ["/", "/app.js", "/v1/sessions", "/nowhere", "/v1/sessions/x/logs"])
async def test_each_answer_tells_browsers_to_load_embed_and_guess_nothing(site: Site, path: str) -> None:
    headers = (await site.client.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["content-security-policy"].startswith("default-src 'self';")


async def test_a_failure_of_ours_has_the_same_headers(site: Site) -> None:
    site.runtime.refusal = TypeError("a bug")
    failed = await site.client.post("/v1/sessions", json={"user_id": "ana"})
    assert (failed.status_code, failed.headers["x-content-type-options"]) == (500, "nosniff")


async def test_who_is_slowed_down_is_told_for_how_long_and_cannot_pose_as_another(serve: Serve) -> None:
    async with serve(keys=KEYS, public_start=True, public_starts_per_minute=1) as site:
        await site.client.post("/start", json={})
        again = await site.client.post("/start", json={}, headers={"x-forwarded-for": "203.0.113.9"})

    assert (again.status_code, again.json()["code"]) == (429, "rate_limited")
    assert 50 <= int(again.headers["retry-after"]) <= 60
    assert f"Try again in {again.headers['retry-after']} seconds." in again.json()["detail"]


def test_one_subscriber_of_ipv6_is_one_client() -> None:
    assert one_client("2001:db8:1:2:aaaa::1") == one_client("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert one_client("2001:db8:1:3::1") != one_client("2001:db8:1:2::1")
    assert one_client("192.0.2.1") == "192.0.2.1"


async def test_of_many_candidates_for_one_session_a_few_are_held_and_no_other_suffers(site: Site) -> None:
    for session_id in ("mine", "other"):
        await site.start(session_id, session_id=session_id)
    patch = {"pc_id": "p", "candidates": []}
    held = [asyncio.create_task(site.client.patch(site.offers_of("mine"), json=patch)) for _ in range(4)]
    while len((await site.as_bot("mine", "GET", "inbox")).json()["messages"]) < 4:  # noqa: ASYNC110 - seen from outside only
        await asyncio.sleep(0)
    refused = await site.client.patch(site.offers_of("mine"), json=patch)
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_offers")
    assert refused.headers["retry-after"] == "2"

    elsewhere = asyncio.create_task(site.client.patch(site.offers_of("other"), json=patch))
    assert len((await site.as_bot("other", "GET", "inbox")).json()["messages"]) == 1
    for session_id in ("mine", "other"):
        await site.client.delete(f"/v1/sessions/{session_id}")
    assert {(await each).status_code for each in (*held, elsewhere)} == {410}


def test_what_is_held_for_one_session_is_bounded_and_given_back() -> None:
    held = OfferLimit(candidates_for_one=1)
    with held.candidates("a"), held.candidates("b"), pytest.raises(TooManyOffers), held.candidates("a"):
        pass
    with held.candidates("a"), held.offer("a"), held.offer("a"):
        assert held.total == 3
    assert held.total == 0
