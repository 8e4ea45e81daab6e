"""The transport of a call without a room."""

import pytest
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.daily import transport as daily_transport
from pipecat.transports.livekit import transport as livekit_transport
from pipecat.transports.smallwebrtc import transport

from podline.errors import ConfigInvalid
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.transports import expect_any_transport, prepare_transport
from podline.runner.room.webrtc import PeerTransport
from podline.runner.settings import read_settings
from testing.callers.client_messages import unhurried_messages

CALL = {"SESSION_ID": "call-1", "USER_ID": "ana"}
CHANNEL = {
    "PODLINE_CONTROLLER_URL": "http://controller",
    "PODLINE_LAUNCH_ID": "launch-1",
    "PODLINE_LAUNCH_TOKEN": "launch-secret",
}


class Unconcerned:
    """Presence that takes no notice."""

    def joined(self) -> None: ...
    def caller_joined(self) -> None: ...
    def caller_left(self, *, abruptly: bool) -> None: ...
    def room_failed(self, error: object) -> None: ...


async def test_without_a_room_the_caller_is_met_by_a_peer_through_the_class_that_bots_import(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        transport, "SmallWebRTCTransport", transport.SmallWebRTCTransport
    )  # restored afterwards

    peer = prepare_transport(
        read_settings({**CALL, **CHANNEL}), CallerMeeting(Unconcerned(), unhurried_messages())
    )

    assert peer is not None
    of_the_bot = transport.SmallWebRTCTransport(peer.connection, TransportParams(audio_in_enabled=True))
    assert isinstance(of_the_bot, PeerTransport)


async def test_a_bot_that_is_imported_before_its_call_is_known_has_the_class_that_will_know_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, name in (
        (daily_transport, "DailyTransport"),
        (livekit_transport, "LiveKitTransport"),
        (transport, "SmallWebRTCTransport"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))  # restored afterwards

    expect_any_transport()
    imported = transport.SmallWebRTCTransport
    with pytest.raises(ConfigInvalid, match=r"make it in bot\(runner_args\), once there is a call"):
        daily_transport.DailyTransport("https://shop.daily.co/room", "token", "bot")

    for user_id in ("ana", "bo"):
        peer = prepare_transport(
            read_settings({**CALL, **CHANNEL, "USER_ID": user_id}),
            CallerMeeting(Unconcerned(), unhurried_messages()),
        )
        assert peer is not None
        made = imported(peer.connection, TransportParams(audio_in_enabled=True))
        assert isinstance(made, PeerTransport)
        assert made.name.startswith("SmallWebRTCTransport")
