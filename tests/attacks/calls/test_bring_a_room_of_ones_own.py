"""Somebody who may start sessions brings a room elsewhere, so that a bot comes there with its tools."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from controller.parts import choose_rooms
from controller.rooms.hosts import read_room_url
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import INSTALLATION
from testing.fakes.controllers.site import Serve, Site, serve_site
from testing.settings import settings_of

SECRET = "a-secret-of-livekit-that-is-long-enough"


@pytest.fixture
def serve() -> Serve:
    return serve_site


def rooms(**settings: Any) -> object:
    return choose_rooms(settings_of(**settings), SIGNER, lambda: INSTALLATION)


async def bring(site: Site, url: str, token: str = "t") -> httpx.Response:  # noqa: S107 - invented
    return await site.client.post(
        "/v1/sessions", json={"user_id": "mallory", "room": {"url": url, "token": token}}
    )


@pytest.fixture
async def daily(serve: Serve) -> AsyncIterator[Site]:
    async with serve(rooms=rooms(rooms="daily", DAILY_API_KEY="key")) as site:
        yield site


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/room",
        "https://daily.co/room",
        "https://daily.co.evil.example/room",
        "https://evildaily.co/room",
        "https://a.b.daily.co/room",
        "https://shop.daily.co.evil.example/room",
        "https://shop.daily.co@evil.example/room",
        "https://evil.example#.daily.co/room",
        "https://evil.example?.daily.co/room",
        "https://evil.example\\.daily.co/room",
        "https://evil.example%2f.daily.co/room",
        "https://evil.example/.daily.co",
        "https://shop.daily.co:8443/room",
        "https://shop.daily.co:/room",
        "https://user:pass@shop.daily.co/room",
        "https://shop.daily.co/../room",
        "https://shop.d\N{CYRILLIC SMALL LETTER A}ily.co/room",
        "https://xn--shop.daily.co.evil/room",
        "https://shop\u3002evil.example/room",
        "https://\u200bshop.daily.co/room",
        "https://127.0.0.1/room",
        "https://[::1]/room",
        "https://[fd00:ec2::254]/room",
        "https://169.254.169.254/room",
        "http://shop.daily.co/room",
        "wss://shop.daily.co/room",
        "file:///etc/passwd",
        "//shop.daily.co/room",
        "https:shop.daily.co/room",
        "https:///shop.daily.co/room",
        "https://-shop.daily.co/room",
        "https://.daily.co/room",
        "https://shop..daily.co/room",
        " https://shop.daily.co/room",
        "https://shop.daily.co/room\t",
        "https://shop.daily.co/room\r\nX: y",
    ],
)
async def test_no_bot_is_sent_to_a_room_that_is_not_dailys(daily: Site, url: str) -> None:
    answer = await bring(daily, url)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert daily.runtime.launches == []


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.daily.co/room",
        "https://SHOP.Daily.CO/room",
        "https://shop.daily.co./room",
        "https://shop.daily.co:443/room",
        "HTTPS://shop.daily.co/room",
    ],
)
async def test_however_a_room_is_written_the_bot_is_told_the_address_that_was_checked(
    daily: Site, url: str
) -> None:
    answer = await bring(daily, url)

    assert answer.status_code == 201, answer.text
    assert daily.runtime.launches[0].environment["DAILY_ROOM_URL"] == "https://shop.daily.co/room"


async def test_the_operators_list_takes_the_place_of_the_providers_own(serve: Serve) -> None:
    listed = "rooms.example.com, *.video.example.com, odd.example.com:8443, m\u00fcnchen.example"
    async with serve(rooms=rooms(rooms="daily", DAILY_API_KEY="key", room_hosts=listed)) as site:
        taken = [
            (await bring(site, f"https://{host}/room{number}")).status_code
            for number, host in enumerate(
                (
                    "rooms.example.com",
                    "a.video.example.com",
                )
            )
        ]
        refused = [
            (await bring(site, f"https://{host}/room")).status_code
            for host in (
                "shop.daily.co",
                "video.example.com",
                "a.b.video.example.com",
                "odd.example.com",
                "odd.example.com:8444",
                "rooms.example.com:8443",
            )
        ]

    assert taken == [201] * 2
    assert refused == [422] * 6
    for url in (
        "https://odd.example.com:8443/r",
        "https://xn--mnchen-3ya.example/r",
        "https://M\u00dcNCHEN.example/r",
    ):
        room = read_room_url(url, ("https",))
        assert room is not None
        assert room.is_on(settings_of(room_hosts=listed).rooms.hosts)


async def test_another_daily_api_does_not_open_every_host(serve: Serve) -> None:
    own = rooms(rooms="daily", DAILY_API_KEY="key", DAILY_API_URL="https://video.example.com/v1")
    async with serve(rooms=own) as site:
        assert (await bring(site, "https://evil.example/room")).status_code == 422
        assert (await bring(site, "https://shop.daily.co/room")).status_code == 422
        assert (await bring(site, "https://video.example.com/room")).status_code == 201


@pytest.mark.parametrize(
    "url",
    [
        "wss://evil.example",
        "wss://rooms.example.com.evil.example",
        "wss://rooms.example.com@evil.example",
        "wss://rooms.example.com\\@evil.example",
        "wss://rooms.example.com:7880",
        "ws://rooms.example.com",
        "wss://10.0.0.7",
        "wss://[::1]",
        "wss://[",
        "",
        "nonsense",
    ],
)
async def test_no_bot_is_sent_to_another_livekit_server(serve: Serve, url: str) -> None:
    header, claims = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode()
        for each in ({"alg": "none"}, {"video": {"room": "r", "roomJoin": True}})
    )
    own = rooms(
        rooms="livekit",
        LIVEKIT_URL="wss://rooms.example.com",
        LIVEKIT_API_KEY="key",
        LIVEKIT_API_SECRET=SECRET,
    )
    async with serve(rooms=own) as site:
        answer = await bring(site, url, f"{header}.{claims}.")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert site.runtime.launches == []


@pytest.mark.parametrize(
    "listed", ["*", "*.com", "https://a.example", "a b", "a.example:", "a.example:x", "*.*.a.example"]
)
def test_a_list_that_would_open_more_than_it_says_is_refused(listed: str) -> None:
    with pytest.raises(ValueError, match="a host looks like"):
        settings_of(room_hosts=listed)
