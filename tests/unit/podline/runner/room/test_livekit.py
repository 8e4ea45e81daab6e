"""What a bot makes of what LiveKit tells; LiveKit itself is there in tests/local."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from livekit import rtc
from livekit.rtc import ConnectionState, DisconnectReason, ParticipantKind
from pipecat.transports.livekit.transport import LiveKitParams

from podline.runner.room import livekit_call
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.livekit import LiveKitCallerTransport, _LiveKitCallClient, explain_failed_join
from podline.runner.room.livekit_call import LiveKitCall
from podline.runner.settings import LiveKitRoomAccess
from testing.callers.client_messages import typed, unhurried_messages
from tests.unit.podline.runner.room.test_daily import Observed

TOKEN = "header.payload.signature"


@dataclass
class Somebody:
    """A participant, as far as the bot looks at one."""

    identity: str
    kind: int = ParticipantKind.PARTICIPANT_KIND_STANDARD
    disconnect_reason: int | None = None


@dataclass
class FakeRoom:
    """A room of LiveKit's SDK: who is there, and what its handlers receive."""

    remote_participants: dict[str, Somebody] = field(default_factory=dict)
    handlers: dict[str, Any] = field(default_factory=dict)

    def on(self, event: str, handler: Any) -> None:
        self.handlers[event] = handler

    def comes(self, somebody: Somebody) -> None:
        self.remote_participants[somebody.identity] = somebody
        self.handlers["participant_connected"](somebody)

    def leaves(self, identity: str, reason: int | None) -> None:
        somebody = self.remote_participants.pop(identity)
        somebody.disconnect_reason = reason
        self.handlers["participant_disconnected"](somebody)

    def is_connecting_again(self) -> None:
        """As the SDK does: all are reported as having left, without a reason."""
        self.handlers["connection_state_changed"](ConnectionState.CONN_RECONNECTING)
        for identity in list(self.remote_participants):
            self.leaves(identity, None)

    def is_connected(self, *there: str) -> None:
        for identity in there:
            self.comes(Somebody(identity))
        self.handlers["connection_state_changed"](ConnectionState.CONN_CONNECTED)

    def ends(self, reason: int) -> None:
        self.handlers["disconnected"](reason)


class Scene:
    """A bot in a room."""

    def __init__(self, *there: Somebody) -> None:
        self.presence = Observed()
        self.room = FakeRoom({each.identity: each for each in there})
        self.call = LiveKitCall(LiveKitRoomAccess("ws://livekit", TOKEN), self.presence)
        self.call.follow(cast("rtc.Room", self.room))
        self.call.joined()

    def reported(self) -> list[str]:
        return self.presence.rest()


async def test_the_first_person_to_come_is_the_caller_and_the_only_one_heard() -> None:
    scene = Scene(Somebody("recorder", ParticipantKind.PARTICIPANT_KIND_EGRESS))
    scene.room.comes(Somebody("other-bot", ParticipantKind.PARTICIPANT_KIND_AGENT))
    scene.room.comes(Somebody("ana"))
    scene.room.comes(Somebody("bo"))
    scene.room.leaves("bo", DisconnectReason.CLIENT_INITIATED)

    assert scene.reported() == ["joined", "caller joined"]
    assert scene.call.is_caller("ana")
    assert scene.call.is_stranger("bo")
    assert scene.call.is_stranger(None), "a server of somebody's sends unattributed"


async def test_a_caller_who_was_there_first_is_told_behind_the_bots_own_joining() -> None:
    assert Scene(Somebody("ana")).reported() == ["joined", "caller joined"]


async def test_somebody_on_the_phone_is_a_caller() -> None:
    assert Scene(Somebody("sip", ParticipantKind.PARTICIPANT_KIND_SIP)).reported() == [
        "joined",
        "caller joined",
    ]


@pytest.mark.parametrize(
    ("reason", "reported"),
    [
        (DisconnectReason.CLIENT_INITIATED, "caller left"),
        (DisconnectReason.PARTICIPANT_REMOVED, "caller lost"),
        (DisconnectReason.SIGNAL_CLOSE, "caller lost"),
        (DisconnectReason.CONNECTION_TIMEOUT, "caller lost"),
        (None, "caller lost"),
    ],
)
async def test_who_hangs_up_is_told_from_who_may_come_back(reason: int | None, reported: str) -> None:
    scene = Scene(Somebody("ana"))
    scene.room.leaves("ana", reason)

    assert scene.reported()[2:] == [reported]


async def test_who_comes_back_after_a_loss_is_the_caller_again() -> None:
    scene = Scene(Somebody("ana"))
    scene.room.leaves("ana", None)
    scene.room.comes(Somebody("ana-again"))

    assert scene.reported()[2:] == ["caller lost", "caller joined"]
    assert scene.call.is_caller("ana-again")


async def test_a_connection_made_again_is_no_news_where_the_caller_is_still_there() -> None:
    scene = Scene(Somebody("ana"))
    scene.room.is_connecting_again()
    scene.room.is_connected("ana")

    assert scene.reported() == ["joined", "caller joined"]


async def test_a_caller_who_is_missing_when_the_connection_is_back_is_lost_and_may_come_back() -> None:
    scene = Scene(Somebody("ana"))
    scene.room.is_connecting_again()
    scene.room.is_connected()
    scene.room.comes(Somebody("ana"))

    assert scene.reported()[2:] == ["caller lost", "caller joined"]


async def test_a_connection_that_is_not_back_in_time_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(livekit_call, "RECOVERY_SECONDS", 0.01)
    scene = Scene()
    scene.room.is_connecting_again()

    assert [await scene.presence.next() for _ in range(2)][1] == (
        "room_lost: The LiveKit room was lost: "
        "the connection to LiveKit's server was interrupted for 0.01 seconds."
    )
    scene.room.ends(DisconnectReason.UNKNOWN_REASON)
    assert scene.reported() == []


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (DisconnectReason.ROOM_DELETED, "somebody deleted the room"),
        (DisconnectReason.PARTICIPANT_REMOVED, "somebody removed the bot"),
        (DisconnectReason.DUPLICATE_IDENTITY, "somebody else joined as the bot, with its identity"),
        (DisconnectReason.SERVER_SHUTDOWN, "LiveKit's server shut down"),
        (DisconnectReason.UNKNOWN_REASON, "the connection to LiveKit's server ended"),
    ],
)
async def test_an_unexpected_end_is_a_lost_room_by_its_cause(reason: int, words: str) -> None:
    scene = Scene()
    scene.room.ends(reason)

    assert scene.reported()[1:] == [f"room_lost: The LiveKit room was lost: {words}."]


async def test_nothing_is_lost_when_the_bot_leaves_by_itself() -> None:
    scene = Scene(Somebody("ana"))
    scene.call.leaving()
    scene.room.ends(DisconnectReason.CLIENT_INITIATED)

    assert scene.reported() == ["joined", "caller joined"]


async def test_a_refusal_does_not_repeat_the_token() -> None:
    presence = Observed()
    call = LiveKitCall(LiveKitRoomAccess("ws://livekit", TOKEN), presence)
    call.refused(*explain_failed_join(f"engine: odd answer to {TOKEN}"))
    call.refused("once more", "twice")
    await asyncio.sleep(0)

    [said] = presence.rest()
    assert said.startswith("room_refused: LiveKit did not let the bot in: there was no connection")
    assert TOKEN not in said


@dataclass
class Sender:
    """The bot's own participant in a room whose connection may be away, and what it has sent."""

    connection_state: int = ConnectionState.CONN_CONNECTED
    sent: list[bytes] = field(default_factory=list)

    @property
    def local_participant(self) -> "Sender":
        return self

    async def publish_data(self, data: bytes, **_options: Any) -> None:
        self.sent.append(data)


async def test_what_the_page_is_told_while_the_connection_is_away_reaches_it_afterwards() -> None:
    room = Sender()
    client = _LiveKitCallClient(
        LiveKitCall(LiveKitRoomAccess("ws://a", TOKEN), Observed()),
        "ws://a",
        TOKEN,
        "a",
        LiveKitParams(),
        None,
        "a",
    )
    client._room, client._connected = cast("rtc.Room", room), True

    await client.send_data(b"before")
    room.connection_state = ConnectionState.CONN_RECONNECTING
    await client.send_data(b"meanwhile")
    assert room.sent == [b"before"]
    room.connection_state = ConnectionState.CONN_CONNECTED
    await client.send_data(b"after")

    assert room.sent == [b"before", b"meanwhile", b"after"]


async def test_a_transport_takes_what_pipecat_s_own_takes() -> None:
    access = LiveKitRoomAccess("ws://livekit", TOKEN)
    meeting = CallerMeeting(Observed(), unhurried_messages())

    transport = LiveKitCallerTransport(
        access, meeting, access.url, access.token, "ours", None, "ears", "mouth"
    )

    assert (transport.input().name, transport.output().name) == ("ears", "mouth")


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(typed("x" * 2_001)).encode(),
        json.dumps({**typed("x"), "type": "raw-audio"}).encode(),
        b"x" * 40_000,
        b"\xff",
        b"[" * 9_000,
    ],
)
async def test_what_no_client_of_ours_sends_goes_no_further(data: bytes) -> None:
    access = LiveKitRoomAccess("ws://livekit", TOKEN)
    meeting = CallerMeeting(Observed(), unhurried_messages())
    transport = LiveKitCallerTransport(access, meeting, access.url, access.token, "ours")
    taken: asyncio.Queue[Any] = asyncio.Queue()

    @transport.event_handler("on_app_message")
    async def on_app_message(_transport: object, message: Any, _sender: str) -> None:
        taken.put_nowait(message)

    await transport._on_data_received(data, "ana")
    await transport._on_data_received(json.dumps({**typed("tea"), "more": "of it"}).encode(), "ana")

    async with asyncio.timeout(5):
        assert await taken.get() == typed("tea")
