"""The sandbox's Daily as Pipecat's own `DailyRESTHelper` meets it."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from pipecat.transports.daily.utils import (
    DailyMeetingTokenParams,
    DailyMeetingTokenProperties,
    DailyRESTHelper,
    DailyRoomParams,
    DailyRoomProperties,
)

from sandbox.daily.server import DailyServer, create_daily_app
from sandbox.daily.tokens import read_token

KEY = "sandbox-key"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with TestServer(create_daily_app(DailyServer(KEY, time.time, time.monotonic))) as server:
        yield str(server.make_url("/v1"))


@pytest.fixture
async def helper(url: str) -> AsyncIterator[DailyRESTHelper]:
    async with aiohttp.ClientSession() as session:
        yield DailyRESTHelper(daily_api_key=KEY, daily_api_url=url, aiohttp_session=session)


async def test_a_room_is_made_found_and_deleted(helper: DailyRESTHelper) -> None:
    wanted = DailyRoomProperties(exp=time.time() + 300, eject_at_room_exp=True, max_participants=2)
    made = await helper.create_room(DailyRoomParams(name="lamp", privacy="private", properties=wanted))
    found = await helper.get_room_from_url(made.url)

    assert found == made
    assert (made.name, made.privacy, made.api_created) == ("lamp", "private", True)
    assert (made.config.exp, made.config.eject_at_room_exp, made.config.max_participants) == (
        wanted.exp,
        True,
        2,
    )
    assert await helper.delete_room_by_url(made.url)
    with pytest.raises(Exception, match="Room not found: lamp"):
        await helper.get_room_from_url(made.url)
    assert await helper.delete_room_by_name("lamp"), "deleting again is no error to Pipecat"


async def test_a_room_without_wishes_is_public_and_has_a_name_of_its_own(helper: DailyRESTHelper) -> None:
    one, other = [await helper.create_room(DailyRoomParams()) for _ in range(2)]

    assert one.privacy == "public"
    assert one.name != other.name
    assert one.url.endswith(f"/{one.name}")


@pytest.mark.parametrize("owner", [True, False])
async def test_a_token_is_for_one_room_one_role_and_a_time(helper: DailyRESTHelper, *, owner: bool) -> None:
    room = await helper.create_room(DailyRoomParams(name="lamp"))
    params = DailyMeetingTokenParams(properties=DailyMeetingTokenProperties(user_name="Ana"))
    token = await helper.get_token(room.url, 60, owner=owner, params=params)

    held = read_token(token, KEY, time.time())
    assert held.get("is_owner", False) is owner
    assert (held["room_name"], held["user_name"]) == ("lamp", "Ana")
    assert 58 <= held["exp"] - time.time() <= 60


async def test_a_taken_name_is_refused_in_dailys_words(helper: DailyRESTHelper) -> None:
    await helper.create_room(DailyRoomParams(name="lamp"))

    with pytest.raises(Exception, match=r"status: 400.*invalid-request-error.*a room named lamp already"):
        await helper.create_room(DailyRoomParams(name="lamp"))


async def test_a_wrong_key_is_refused(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        helper = DailyRESTHelper(daily_api_key="wrong", daily_api_url=url, aiohttp_session=session)
        with pytest.raises(Exception, match=r"status: 401.*authentication-error"):
            await helper.create_room(DailyRoomParams())
