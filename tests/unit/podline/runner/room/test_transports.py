"""The transport of each provider, and an image that lacks what it needs."""

import sys

import pytest

from podline.errors import ConfigInvalid
from podline.runner.room.transports import import_transport
from podline.runner.settings import read_settings
from testing.callers.client_messages import unhurried_messages

CALL = {"SESSION_ID": "call-1", "USER_ID": "ana"}
CHANNEL = {
    "PODLINE_CONTROLLER_URL": "http://controller",
    "PODLINE_LAUNCH_ID": "launch-1",
    "PODLINE_LAUNCH_TOKEN": "launch-secret",
}
DAILY = {"DAILY_ROOM_URL": "https://shop.daily.co/room", "DAILY_TOKEN": "daily-secret"}
LIVEKIT = {"LIVEKIT_URL": "wss://shop.livekit.cloud", "LIVEKIT_TOKEN": "livekit-secret"}


class Unconcerned:
    """Presence that takes no notice."""

    def joined(self) -> None: ...
    def caller_joined(self) -> None: ...
    def caller_left(self, *, abruptly: bool) -> None: ...
    def room_failed(self, error: object) -> None: ...


@pytest.mark.parametrize(
    ("variables", "module", "extra"),
    [(DAILY, "daily", "daily"), (LIVEKIT, "livekit", "livekit"), (CHANNEL, "peer", "webrtc")],
)
async def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], module: str, extra: str
) -> None:
    # As Python says of a module that is not there.
    monkeypatch.setitem(sys.modules, f"podline.runner.room.{module}", None)

    with pytest.raises(ConfigInvalid) as caught:
        import_transport(read_settings({**CALL, **variables}))

    assert f"add pipecat-ai[{extra}] to the bot's image." in caught.value.message


async def test_without_a_room_the_caller_is_met_by_a_peer() -> None:
    meet_caller = import_transport(read_settings({**CALL, **CHANNEL}))

    transport, peer = meet_caller(Unconcerned(), unhurried_messages())

    assert peer is not None
    assert transport is peer.transport
