"""A web app that makes its own Daily rooms and was written against the older contract."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestServer

from controller.parts import choose_rooms
from sandbox.daily.rooms import DOMAIN
from sandbox.daily.server import DailyServer, create_daily_app
from testing.fakes.controllers.parts import SIGNER
from testing.fakes.controllers.runtimes_and_rooms import INSTALLATION, secrets_of
from testing.fakes.controllers.site import Site, serve_site
from testing.settings import settings_of

KEY = "sandbox-key"
HOUR = 3600


class App:
    """What such an app does: a room and the bot's token from Daily, then a bot from the controller."""

    def __init__(self, daily: httpx.AsyncClient, site: Site) -> None:
        self._daily = daily
        self.site = site

    async def makes_room(self, name: str) -> str:
        wanted = {"name": name, "privacy": "private", "properties": {"exp": int(time.time()) + HOUR}}
        url: str = (await self._asks_daily("rooms", wanted))["url"]
        return url

    async def makes_token(self, name: str, **properties: Any) -> str:
        wanted = {"room_name": name, "is_owner": True, "exp": int(time.time()) + HOUR, **properties}
        token: str = (await self._asks_daily("meeting-tokens", {"properties": wanted}))["token"]
        return token

    async def starts_agent(self, url: str, token: str, session_id: str = "cart-1") -> httpx.Response:
        body = {"room_url": url, "token": token, "user_id": "lea", "session_id": session_id}
        return await self.site.client.post("/start-agent", json=body)

    async def rooms(self) -> list[str]:
        answer = (await self._daily.get("rooms")).raise_for_status().json()
        return [room["name"] for room in answer["data"]]

    async def _asks_daily(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._daily.post(path, json=body)).raise_for_status().json()
        return answer


@pytest.fixture
async def app() -> AsyncIterator[App]:
    """The app beside a controller with PODLINE_ROOMS=daily, both at the same Daily."""
    daily = DailyServer(KEY, time.time, time.monotonic)
    async with TestServer(create_daily_app(daily)) as server:
        url = str(server.make_url("/v1"))
        settings = settings_of(
            rooms="daily",
            DAILY_API_KEY=KEY,
            DAILY_API_URL=url,
            room_hosts=DOMAIN.removeprefix("https://"),
        )
        rooms = choose_rooms(settings, SIGNER, lambda: INSTALLATION)
        client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
        async with client, serve_site(rooms=rooms) as site:
            yield App(client, site)


async def test_its_agent_goes_into_its_room_is_listed_and_stopped(app: App) -> None:
    url = await app.makes_room("shop-lea")
    token = await app.makes_token("shop-lea")

    started = await app.starts_agent(url, token)
    assert (started.status_code, started.json()) == (200, {"status": "started", "session_id": "cart-1"})
    [launch] = app.site.runtime.launches
    assert launch.environment["PODLINE_TRANSPORT"] == "daily"
    assert (launch.environment["DAILY_ROOM_URL"], secrets_of(launch)["DAILY_TOKEN"]) == (url, token)
    listed = (await app.site.client.get("/agents")).json()
    assert listed == {"agents": [{"session_id": "cart-1", "user_id": "lea", "room_url": url}]}
    assert token not in str(await app.site.read("cart-1"))

    stopped = await app.site.client.post("/stop-agent/cart-1", json={})
    assert (stopped.status_code, stopped.json()) == (200, {"status": "stopped"})
    assert (await app.site.client.get("/agents")).json() == {"agents": []}
    assert (await app.site.client.post("/stop-agent/cart-1", json={})).json() == {"status": "not_found"}


async def test_its_room_is_neither_doubled_nor_deleted(app: App) -> None:
    url = await app.makes_room("shop-lea")
    await app.starts_agent(url, await app.makes_token("shop-lea"))
    assert await app.rooms() == ["shop-lea"]

    await app.site.client.post("/stop-agent/cart-1", json={})

    assert (await app.site.read("cart-1"))["phase"] == "ended"
    assert await app.rooms() == ["shop-lea"]


async def test_a_room_takes_one_agent_at_a_time(app: App) -> None:
    url = await app.makes_room("shop-lea")
    token = await app.makes_token("shop-lea")
    await app.starts_agent(url, token)

    second = await app.starts_agent(url, token, "cart-2")
    assert (second.status_code, second.json()["code"]) == (409, "session_conflict")
    assert "cart-1" in second.json()["detail"]
    assert len(app.site.runtime.launches) == 1

    await app.site.client.post("/stop-agent/cart-1", json={})
    assert (await app.starts_agent(url, token, "cart-2")).status_code == 200


async def refuses(app: App, url: str, token: str, why: str) -> None:
    """The answer says why and repeats no token, and no bot is there."""
    answer = await app.starts_agent(url, token)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert why in answer.json()["detail"]
    assert token not in answer.text
    assert app.site.runtime.launches == []
    assert (await app.site.client.get("/agents")).json() == {"agents": []}


@pytest.mark.parametrize(
    "url",
    [
        "wss://shop.livekit.cloud",
        "https://podline.example/sessions/cart-1/api/offer",
        "http://shop.daily.co/shop-lea",
        "https://shop.daily.co/<b>lea</b>",
    ],
)
async def test_a_room_of_another_provider_gets_no_agent(app: App, url: str) -> None:
    await refuses(app, url, await app.makes_token("shop-lea"), "must be the address of a Daily room")


async def test_a_token_of_another_room_gets_no_agent(app: App) -> None:
    url = await app.makes_room("shop-lea")
    await refuses(app, url, await app.makes_token("shop-noa"), "it is for another room")


async def test_a_room_of_the_controllers_own_gets_no_second_agent(app: App) -> None:
    started = await app.site.start("noa")
    room = started["room"]
    answer = await app.starts_agent(room["url"], room["token"])
    assert (answer.status_code, "another session's room" in answer.json()["detail"]) == (422, True)
    assert len(app.site.runtime.launches) == 1
