"""Rooms of a real LiveKit server, as the controller makes them and as those who come find them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
from livekit import rtc
from livekit.api import ServerError
from livekit.api.room_service import RoomService
from livekit.protocol.room import DeleteRoomRequest, ListRoomsRequest, RoomParticipantIdentity
from livekit.rtc.participant import PublishTrackError

from controller.core.errors import InvalidRequest, RoomsUnavailable
from controller.rooms.livekit import LiveKitAccount, LiveKitRooms
from controller.rooms.names import RoomNames
from testing.fakes.controllers.runtimes_and_rooms import secrets_of
from testing.fakes.controllers.sessions import some_session
from testing.servers.livekit import KEY, SECRET, LiveKitServer, livekit_server
from testing.servers.livekit_front import Front, front_of

NAMES = RoomNames(lambda: "0123456789")
MINUTE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    with livekit_server(tmp_path_factory.mktemp("livekit"), lambda _: None) as server:
        yield server


@pytest.fixture
async def empty(server: LiveKitServer) -> None:
    for room in await server.rooms():
        await server.delete_room(room)


@contextlib.asynccontextmanager
async def rooms_at(
    url: str, *, secret: str = SECRET, later: float = 0.0, names: RoomNames = NAMES
) -> AsyncIterator[LiveKitRooms]:
    """The provider, by a clock that is so many seconds ahead."""
    account = LiveKitAccount(url=url, public_url=url, key=KEY, secret=secret)
    rooms = LiveKitRooms(account, names, lambda: time.time() + later)
    try:
        yield rooms
    finally:
        await rooms.aclose()


@pytest.fixture
async def rooms(server: LiveKitServer, empty: None) -> AsyncIterator[LiveKitRooms]:  # noqa: ARG001
    async with rooms_at(server.url) as rooms:
        yield rooms


@pytest.fixture
async def front(server: LiveKitServer, empty: None) -> AsyncIterator[Front]:  # noqa: ARG001
    async with front_of(server.url) as front:
        yield front


@contextlib.asynccontextmanager
async def joined(url: str, token: str) -> AsyncIterator[rtc.Room]:
    room = rtc.Room()
    await room.connect(url, token)
    try:
        yield room
    finally:
        await room.disconnect()


async def test_bot_and_caller_meet_in_a_room_that_is_theirs(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert (room.name, room.url) == ("podline-0123456789-0199-one", server.url)
    assert room.environment == {"PODLINE_TRANSPORT": "livekit", "LIVEKIT_URL": server.url}
    assert room.secrets is not None
    assert room.caller_token is not None
    async with (
        joined(server.url, secrets_of(room)["LIVEKIT_TOKEN"]) as bot,
        joined(server.url, room.caller_token) as caller,
    ):
        assert bot.name == caller.name == room.name
        assert bot.local_participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        assert caller.local_participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD


async def test_no_second_caller_fits_in(rooms: LiveKitRooms, server: LiveKitServer) -> None:
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)
    assert room.caller_token is not None

    async with joined(server.url, room.caller_token):
        with pytest.raises(rtc.ConnectError):
            await rtc.Room().connect(server.url, server.token(room.name, "somebody else"))
        assert await server.participants(room.name) == ["caller"]


async def test_a_callers_second_token_takes_the_place_of_the_first(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    session = some_session()
    room = await rooms.open(session, lifetime_seconds=MINUTE)
    again = await rooms.admit(session, lifetime_seconds=MINUTE)
    assert room.caller_token is not None
    assert again is not None

    async with joined(server.url, room.caller_token) as first:
        put_out = asyncio.Event()
        first.on("disconnected", put_out.set)
        async with joined(server.url, again), asyncio.timeout(10):
            await put_out.wait()
            assert await server.participants(room.name) == ["caller"]


async def test_a_caller_may_not_do_what_only_the_controller_may(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    room = await rooms.open(some_session(), lifetime_seconds=MINUTE)
    token = room.caller_token
    assert token is not None
    attempts: list[Callable[[RoomService], Any]] = [
        lambda api: api.list_rooms(ListRoomsRequest()),
        lambda api: api.delete_room(DeleteRoomRequest(room=room.name)),
        lambda api: api.remove_participant(RoomParticipantIdentity(room=room.name, identity="bot")),
    ]

    async with aiohttp.ClientSession() as http:
        api = RoomService(http, server.url, "", "", failover=False)
        api._token = token
        for attempt in attempts:
            with pytest.raises(ServerError) as refused:
                await attempt(api)
            assert refused.value.status == 401

    async with joined(server.url, token) as caller:
        camera = rtc.LocalVideoTrack.create_video_track("camera", rtc.VideoSource(64, 64))
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_CAMERA)
        with pytest.raises((PublishTrackError, TimeoutError)):
            async with asyncio.timeout(15):
                await caller.local_participant.publish_track(camera, options)
        assert caller.local_participant.permissions.can_update_metadata is False


async def test_a_closed_room_puts_everybody_out_and_closing_again_is_harmless(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    session = some_session()
    room = await rooms.open(session, lifetime_seconds=MINUTE)
    assert room.caller_token is not None

    async with joined(server.url, room.caller_token) as caller:
        put_out = asyncio.Event()
        caller.on("disconnected", put_out.set)
        await rooms.close(session)
        async with asyncio.timeout(10):
            await put_out.wait()
    await rooms.close(session)

    assert await server.rooms() == []


async def test_a_token_that_brings_a_lost_room_back_brings_its_limits_back(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    session = some_session()
    room = await rooms.open(session, lifetime_seconds=MINUTE)
    await server.delete_room(room.name)
    again = await rooms.enter_again(session, lifetime_seconds=MINUTE)
    assert again.secrets is not None
    assert room.caller_token is not None

    async with (
        joined(server.url, secrets_of(again)["LIVEKIT_TOKEN"]),
        joined(server.url, room.caller_token) as caller,
    ):
        assert caller.departure_timeout > MINUTE
        with pytest.raises(rtc.ConnectError):
            await rtc.Room().connect(server.url, server.token(room.name, "somebody else"))


async def test_a_sweep_deletes_what_nobody_needs_and_touches_nothing_else(
    rooms: LiveKitRooms, server: LiveKitServer
) -> None:
    for launch_id in ("live", "left"):
        await rooms.open(some_session(launch_id), lifetime_seconds=MINUTE)
    async with rooms_at(server.url, names=RoomNames(lambda: "9876543210")) as others:
        await others.open(some_session("left"), lifetime_seconds=MINUTE)
    for name in ("podline", "podline-0123456789", "podline-0123456789a-left", "a-web-apps-own"):
        await server.make_room(name)

    young = await rooms.sweep({"live"})
    async with rooms_at(server.url, later=600) as later:
        old = await later.sweep({"live"})

    assert (young, old) == (0, 1)
    assert await server.rooms() == [
        "a-web-apps-own",
        "podline",
        "podline-0123456789",
        "podline-0123456789-live",
        "podline-0123456789a-left",
        "podline-9876543210-left",
    ]


async def test_a_wrong_secret_is_named(server: LiveKitServer) -> None:
    async with rooms_at(server.url, secret="x" * 32) as rooms:
        with pytest.raises(RoomsUnavailable) as refused:
            await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert refused.value.detail == (
        "LiveKit did not accept the key; check LIVEKIT_API_KEY and LIVEKIT_API_SECRET."
    )
    assert refused.value.retry_after == 5


async def test_no_server_is_named_after_three_tries() -> None:
    async with rooms_at("ws://127.0.0.1:9") as rooms:
        with pytest.raises(RoomsUnavailable) as refused:
            await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert "check that its server runs at ws://127.0.0.1:9" in refused.value.detail


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_passes_is_tried_again(status: int, front: Front, server: LiveKitServer) -> None:
    front.statuses = [status, status]
    async with rooms_at(front.url) as rooms:
        await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert front.asked == ["CreateRoom"] * 3
    assert await server.rooms() == ["podline-0123456789-0199-one"]


async def test_a_room_whose_making_was_never_answered_is_found_made(
    front: Front, server: LiveKitServer
) -> None:
    front.loses_answers = 1
    async with rooms_at(front.url) as rooms:
        await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert await server.rooms() == ["podline-0123456789-0199-one"]


async def test_what_does_not_pass_is_said(front: Front) -> None:
    front.statuses = [503] * 3
    async with rooms_at(front.url) as rooms:
        with pytest.raises(RoomsUnavailable) as refused:
            await rooms.open(some_session(), lifetime_seconds=MINUTE)

    assert refused.value.detail == "LiveKit failed with status 503; try again."
    assert len(front.asked) == 3


async def test_a_deletion_is_tried_again(front: Front, server: LiveKitServer) -> None:
    session = some_session()
    async with rooms_at(front.url) as rooms:
        await rooms.open(session, lifetime_seconds=MINUTE)
        front.statuses = [500]
        await rooms.close(session)

    assert await server.rooms() == []


def own(**grants: Any) -> Callable[[LiveKitServer], str]:
    return lambda server: server.token(**{"room": "web-room", "identity": "our-bot", **grants})


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (own(secret="x" * 32), "was not signed with this controller's LIVEKIT_API_KEY"),
        (own(seconds=-3600), "it has expired"),
        (lambda _: "some-words", "was not signed"),
        (lambda _: "a.b.c", "was not signed"),
        (own(room_join=False), "does not allow joining a room"),
        (own(room="podline-0123456789-0199-other"), "another session's room"),
        (own(room="podline-9876543210-0199-other"), "another session's room"),
        (own(can_publish=False), "This may be a caller's token"),
        (own(can_subscribe=False), "This may be a caller's token"),
        (own(can_publish_data=False), "This may be a caller's token"),
        (own(can_publish_sources=["camera"]), "This may be a caller's token"),
    ],
)
def test_a_brought_token_that_lets_no_bot_in_is_refused(
    token: Callable[[LiveKitServer], str], said: str, server: LiveKitServer
) -> None:
    account = LiveKitAccount(url=server.url, public_url=server.url, key=KEY, secret=SECRET)
    rooms = LiveKitRooms(account, NAMES, time.time)

    given = token(server)
    with pytest.raises(InvalidRequest) as refused:
        rooms.bring(some_session(), server.url, given)

    assert said in refused.value.detail
    assert given not in refused.value.detail


async def test_our_own_callers_token_is_no_bots(rooms: LiveKitRooms, server: LiveKitServer) -> None:
    room = await rooms.open(some_session("other"), lifetime_seconds=MINUTE)
    assert room.caller_token is not None

    with pytest.raises(InvalidRequest, match="another session's room"):
        rooms.bring(some_session(), server.url, room.caller_token)


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("wss://voice.example.com", True),
        ("https://voice.example.com:443/", True),
        ("ws://livekit:7880", True),
        ("wss://other.example.com", False),
        ("wss://voice.example.com.evil.example", False),
        ("wss://user@voice.example.com", False),
        ("wss://voice.example.com?a=b", False),
        ("wss://voice.example.com/path", False),
        ("https://voice.daily.co/room", False),
        ("wss://[", False),
        ("<b>wss://voice.example.com</b>", False),
    ],
)
def test_a_brought_room_is_on_our_server(url: str, is_ours: bool, server: LiveKitServer) -> None:  # noqa: FBT001
    account = LiveKitAccount(
        url="ws://livekit:7880", public_url="wss://voice.example.com", key=KEY, secret=SECRET
    )
    rooms = LiveKitRooms(account, NAMES, time.time)
    token = server.token("web-room", "our-bot", kind="agent")

    if is_ours:
        room = rooms.bring(some_session(), url, token)
        assert (room.name, room.caller_token) == ("web-room", None)
        assert room.environment["LIVEKIT_URL"] == "ws://livekit:7880"
        assert room.secrets == {"LIVEKIT_TOKEN": token}
    else:
        with pytest.raises(InvalidRequest, match="this controller's LiveKit server is wss://voice"):
            rooms.bring(some_session(), url, token)


def test_an_account_does_not_show_its_secret() -> None:
    assert SECRET not in repr(LiveKitAccount(url="ws://a", public_url="ws://a", key=KEY, secret=SECRET))
