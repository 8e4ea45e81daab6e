"""Rooms at Daily, against the sandbox's REST API, which follows Daily's documentation."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp.test_utils import TestServer

from controller.core.errors import InvalidRequest, RoomsUnavailable
from controller.rooms.daily.api import DAILY_API_URL, DailyApi
from controller.rooms.daily.rooms import DailyRooms
from controller.rooms.names import RoomNames
from sandbox.daily.requests import CreateRoom, RoomProperties, TokenProperties
from sandbox.daily.rooms import DOMAIN
from sandbox.daily.server import DailyServer, create_daily_app
from sandbox.daily.tokens import make_token, read_token
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.sessions import some_session

KEY = "sandbox-key"
HOSTS = (DOMAIN.removeprefix("https://"),)
NOW = 1_800_000_000.0
MINUTE = 60.0


class Site:
    """Daily with a clock that a test moves, and the controller's rooms there."""

    def __init__(self) -> None:
        self.seconds = NOW
        self.daily = DailyServer(KEY, lambda: self.seconds, time.monotonic)
        self.url = ""

    def rooms(self, installation: str = "0123456789", key: str = KEY) -> DailyRooms:
        api = DailyApi(httpx.AsyncClient(), key, self.url)
        return DailyRooms(api, RoomNames(lambda: installation), lambda: self.seconds, HOSTS)

    async def order(self, name: str, **parameters: Any) -> None:
        await self.daily.orders.add(json.dumps({"target": "daily", "name": name, **parameters}).encode())

    def names(self) -> set[str]:
        names: set[str] = set()
        after: str | None = None
        while page := self.daily.rooms.list(100, after, None)["data"]:
            names |= {room.name for room in page}
            after = page[-1].id
        return names

    def claims(self, token: str) -> dict[str, Any]:
        return read_token(token, KEY, self.seconds)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with TestServer(create_daily_app(site.daily)) as server:
        site.url = str(server.make_url("/v1"))
        yield site


@pytest.fixture
async def rooms(site: Site) -> AsyncIterator[DailyRooms]:
    rooms = site.rooms()
    yield rooms
    await rooms.aclose()


async def test_a_room_is_private_small_and_puts_everybody_out_behind_the_sessions_end(
    rooms: DailyRooms, site: Site
) -> None:
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)

    made = site.daily.rooms.get("podline-0123456789-0199-one")
    assert (room.name, room.url) == (made.name, made.url)
    assert made.privacy == "private"
    assert made.config == RoomProperties(
        exp=int(NOW + 2 * MINUTE), eject_at_room_exp=True, max_participants=3, start_video_off=True
    )


async def test_each_token_is_for_this_room_alone_and_the_callers_is_the_weaker(
    rooms: DailyRooms, site: Site
) -> None:
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)
    assert room.secrets is not None
    assert room.caller_token is not None
    again = await rooms.admit(some_session(), lifetime_seconds=MINUTE)
    assert again is not None

    assert room.environment == {"PODLINE_TRANSPORT": "daily", "DAILY_ROOM_URL": room.url}
    of_caller = {"room_name": room.name, "is_owner": False, "exp": int(NOW + 2 * MINUTE)}
    assert site.claims(secrets_of(room)["DAILY_TOKEN"]) == {**of_caller, "is_owner": True}
    assert {"is_owner": False, **site.claims(room.caller_token)} == of_caller
    assert {"is_owner": False, **site.claims(again)} == of_caller


async def test_the_next_controller_has_a_token_for_the_bot_again(rooms: DailyRooms, site: Site) -> None:
    opened = await rooms.open(some_session(), lifetime_seconds=MINUTE)
    session = some_session(room_url=opened.url)

    again = await rooms.enter_again(session, lifetime_seconds=MINUTE)

    assert (again.url, again.name, again.caller_token) == (opened.url, opened.name, None)
    assert again.secrets is not None
    assert site.claims(secrets_of(again)["DAILY_TOKEN"])["room_name"] == opened.name


async def test_a_live_sessions_room_is_entered_and_closed_by_its_own_name_under_another_installation_id(
    rooms: DailyRooms, site: Site
) -> None:
    opened = await rooms.open(some_session(), lifetime_seconds=MINUTE)
    await rooms.open(some_session("left"), lifetime_seconds=3600)
    session = some_session(room_url=opened.url, room_name=opened.name)
    later = site.rooms("aaaaaaaaaa")

    token = await later.admit(session, lifetime_seconds=MINUTE)
    assert token is not None
    assert site.claims(token)["room_name"] == opened.name
    assert (await later.enter_again(session, lifetime_seconds=MINUTE)).name == opened.name
    await later.close(session)
    assert site.names() == {"podline-0123456789-left"}
    site.seconds += 600
    assert await later.sweep(set()) == 0
    await later.aclose()


async def test_a_brought_rooms_token_can_not_be_had_again(rooms: DailyRooms) -> None:
    session = some_session(room_url="https://a.daily.co/b", room_is_brought=True)

    assert (await rooms.enter_again(session, lifetime_seconds=MINUTE)).secrets is None


async def test_a_room_is_deleted_and_again_harmlessly(rooms: DailyRooms, site: Site) -> None:
    await rooms.open(some_session(), lifetime_seconds=MINUTE)

    await rooms.close(some_session())
    await rooms.close(some_session())

    assert site.names() == set()


async def test_a_sweep_deletes_what_nobody_needs_and_touches_nothing_else(
    rooms: DailyRooms, site: Site
) -> None:
    for launch_id in ("live", "left"):
        await rooms.open(some_session(launch_id), lifetime_seconds=3600)
    others = site.rooms("9876543210")
    await others.open(some_session("left"), lifetime_seconds=3600)
    await others.aclose()
    for number in range(120):
        site.daily.rooms.create(CreateRoom(f"of-a-web-app-{number}"))
    site.daily.rooms.create(CreateRoom("podline-0123456789a-left"))

    young = await rooms.sweep({"live"})
    site.seconds += 600
    old = await rooms.sweep({"live"})

    assert (young, old) == (0, 1)
    assert {name for name in site.names() if "web-app" not in name} == {
        "podline-0123456789-live",
        "podline-9876543210-left",
        "podline-0123456789a-left",
    }
    assert len(site.names()) == 123


async def test_a_wrong_key_is_named(site: Site) -> None:
    rooms = site.rooms(key="another-key")
    with pytest.raises(RoomsUnavailable) as refused:
        await rooms.open(some_session(), lifetime_seconds=MINUTE)
    await rooms.aclose()

    assert "Daily did not accept the key" in refused.value.detail
    assert "another-key" not in refused.value.detail


@pytest.mark.parametrize("what", [{"name": "status", "status": 500}, {"name": "status", "status": 503}])
async def test_what_passes_is_tried_again(what: dict[str, Any], rooms: DailyRooms, site: Site) -> None:
    await site.order(times=2, **what)

    await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert site.names() == {"podline-0123456789-0199-one"}


async def test_too_many_requests_are_tried_again_when_daily_says(rooms: DailyRooms, site: Site) -> None:
    await site.order("rate_limit")
    began = time.monotonic()

    await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert time.monotonic() - began >= 1, "Retry-After says one second"


async def test_what_does_not_pass_is_said_with_a_time_to_ask_again(rooms: DailyRooms, site: Site) -> None:
    await site.order("rate_limit", times=None)

    with pytest.raises(RoomsUnavailable) as refused:
        await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert "too many requests" in refused.value.detail
    assert refused.value.retry_after == 1


async def test_a_room_whose_making_was_not_understood_is_found_made(rooms: DailyRooms, site: Site) -> None:
    await site.order("malformed")

    with pytest.raises(RoomsUnavailable, match="cannot be read"):
        await rooms.open(some_session(), lifetime_seconds=MINUTE)
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert site.names() == {room.name}


async def test_a_deletion_is_tried_again(rooms: DailyRooms, site: Site) -> None:
    await rooms.open(some_session(), lifetime_seconds=MINUTE)
    await site.order("status", status=500, path="/rooms")

    await rooms.close(some_session())

    assert site.names() == set()


async def test_forty_rooms_at_once_keep_to_dailys_limit(rooms: DailyRooms, site: Site) -> None:
    """Three requests each, of which Daily takes a hundred in five seconds: nobody is refused."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(40):
            tasks.create_task(rooms.open(some_session(str(number)), lifetime_seconds=MINUTE))

    assert len(site.names()) == 40


def token(**properties: Any) -> str:
    return make_token(TokenProperties(**properties), "their-key", "domain", NOW)


def dailys_own() -> DailyRooms:
    return DailyRooms(
        DailyApi(httpx.AsyncClient(), KEY, DAILY_API_URL), RoomNames(lambda: "0123456789"), lambda: NOW
    )


def test_a_brought_room_is_taken_as_it_is() -> None:
    given = token(room_name="room", exp=NOW + 60)
    room = dailys_own().bring(some_session(), "https://shop.daily.co/room", given)

    assert (room.url, room.caller_token, room.secrets) == (
        "https://shop.daily.co/room",
        None,
        {"DAILY_TOKEN": given},
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com/room",
        "https://daily.co.example.com/room",
        "http://shop.daily.co/room",
        "https://shop.daily.co/",
        "https://shop.daily.co/room/more",
        "https://shop.daily.co/room?t=token",
        "https://shop.daily.co/<b>room</b>",
        "https://user@shop.daily.co/room",
        "https://shop.daily.co:444/room",
        "wss://shop.livekit.cloud",
        "https://[",
        "room",
    ],
)
def test_what_is_no_room_of_dailys_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"such as https://your-domain\.daily\.co/room"):
        dailys_own().bring(some_session(), url, token())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (token(room_name="another"), "it is for another room"),
        (token(room_name="room", exp=NOW - 60), "it has expired"),
    ],
)
def test_a_token_that_can_not_open_the_room_is_refused(given: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        dailys_own().bring(some_session(), "https://shop.daily.co/room", given)


async def test_another_sessions_room_is_not_to_be_brought(rooms: DailyRooms) -> None:
    other = await rooms.open(some_session("other"), lifetime_seconds=MINUTE)
    assert other.caller_token is not None
    assert other.url.startswith(DOMAIN)

    with pytest.raises(InvalidRequest, match="another session's room"):
        rooms.bring(some_session(), other.url, other.caller_token)


@pytest.mark.parametrize("unreadable", ["words", "a.b.c", ".", "a." + "x" * 4000, "é.é.é", "a.W10.c"])
def test_daily_judges_what_can_not_be_read(unreadable: str) -> None:
    room = dailys_own().bring(some_session(), "https://shop.daily.co/room", unreadable)

    assert room.secrets == {"DAILY_TOKEN": unreadable}
