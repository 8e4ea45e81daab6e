"""The transport of a call without a room."""

from podline.runner.room.transports import import_transport
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


async def test_without_a_room_the_caller_is_met_by_a_peer() -> None:
    meet_caller = import_transport(read_settings({**CALL, **CHANNEL}))

    transport, peer = meet_caller(Unconcerned(), unhurried_messages())

    assert peer is not None
    assert transport is peer.transport
