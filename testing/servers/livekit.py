"""A real LiveKit server on this machine's loopback, with rooms of its own and nothing kept."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from livekit.api import AccessToken, LiveKitAPI, VideoGrants
from livekit.protocol.models import ParticipantPermission
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    ListParticipantsRequest,
    ListRoomsRequest,
    RoomParticipantIdentity,
    UpdateParticipantRequest,
)

from testing.builds.go import GoUnavailableError
from testing.builds.livekit import ensure_livekit
from testing.leaving_out import leave_out
from testing.processes import Program, answers, free_port

KEY = "testkey"
SECRET = "a-secret-of-at-least-32-characters"


@dataclass
class LiveKitServer:
    """A server that can be killed and restarted at the same address."""

    directory: Path
    port: int
    tcp_port: int
    udp_port: int
    makes_rooms_unasked: bool = True
    """LiveKit's default: a token for a room that is not there makes it."""
    program: Program | None = field(default=None)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def variables(self) -> Mapping[str, str]:
        """What a controller needs to make rooms here."""
        return {
            "PODLINE_ROOMS": "livekit",
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
        }

    async def rooms(self) -> list[str]:
        """The names of the rooms there are."""
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            return sorted(room.name for room in (await api.room.list_rooms(ListRoomsRequest())).rooms)

    async def is_empty(self) -> bool:
        return not await self.rooms()

    async def make_room(self, name: str, max_participants: int = 0) -> None:
        """Make a room as a web app does; by default, it holds any number of participants."""
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            await api.room.create_room(CreateRoomRequest(name=name, max_participants=max_participants))

    async def delete_room(self, name: str) -> None:
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            await api.room.delete_room(DeleteRoomRequest(room=name))

    async def participants(self, room: str) -> list[str]:
        """The identities of those in a room."""
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            answer = await api.room.list_participants(ListParticipantsRequest(room=room))
            return sorted(participant.identity for participant in answer.participants)

    async def remove(self, room: str, identity: str) -> None:
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            await api.room.remove_participant(RoomParticipantIdentity(room=room, identity=identity))

    async def forbid_publishing(self, room: str, identity: str) -> None:
        permission = ParticipantPermission(can_subscribe=True, can_publish=False, can_publish_data=True)
        async with LiveKitAPI(self.url, KEY, SECRET) as api:
            await api.room.update_participant(
                UpdateParticipantRequest(room=room, identity=identity, permission=permission)
            )

    def token(
        self,
        room: str,
        identity: str = "somebody",
        *,
        kind: AccessToken.ParticipantKind = "standard",
        seconds: float = 600,
        secret: str = SECRET,
        **grants: Any,
    ) -> str:
        """A token as a web app makes one, for a bot or a caller of its own."""
        token = AccessToken(KEY, secret).with_identity(identity).with_kind(kind)
        grant = VideoGrants(**{"room_join": True, "room": room, **grants})
        return token.with_ttl(timedelta(seconds=seconds)).with_grants(grant).to_jwt()

    def start(self) -> None:
        config = self.directory / "livekit.yaml"
        config.write_text(
            _CONFIG.format(
                server=self, key=KEY, secret=SECRET, auto_create=str(self.makes_rooms_unasked).lower()
            )
        )
        command = [str(ensure_livekit()), "--config", str(config)]
        self.program = Program.start("livekit", command, self.directory, {})
        self.program.wait_until(lambda: answers(f"http://127.0.0.1:{self.port}"))

    def kill(self) -> None:
        assert self.program is not None
        self.program.process.kill()
        self.program.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.program is not None
        self.program.process.send_signal(number)


_MOST_STARTS = 3
_TAKEN = "address already in use"

_CONFIG = """\
port: {server.port}
bind_addresses: ["127.0.0.1"]
rtc:
  tcp_port: {server.tcp_port}
  udp_port: {server.udp_port}
  node_ip: 127.0.0.1
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {{includes: [lo]}}
keys: {{{key}: {secret}}}
room: {{auto_create: {auto_create}}}
logging: {{level: info}}
"""


def _started(directory: Path, *, makes_rooms_unasked: bool) -> LiveKitServer:
    """Start a server. Where many tests run at once, another one may take a port that was free."""
    for _ in range(_MOST_STARTS - 1):
        server = LiveKitServer(directory, free_port(), free_port(), free_port(), makes_rooms_unasked)
        with contextlib.suppress(AssertionError):
            server.start()
            return server
        assert server.program is not None
        if _TAKEN not in server.program.said():
            break
    server = LiveKitServer(directory, free_port(), free_port(), free_port(), makes_rooms_unasked)
    server.start()
    return server


@contextlib.contextmanager
def livekit_server(
    directory: Path, watch: Callable[[Program], None], *, makes_rooms_unasked: bool = True
) -> Iterator[LiveKitServer]:
    """Serve until the block ends. Where no server can be had, the test is skipped; under CI it fails."""
    try:
        ensure_livekit()
    except GoUnavailableError as error:
        leave_out(str(error))
    directory.mkdir(parents=True, exist_ok=True)
    server = _started(directory, makes_rooms_unasked=makes_rooms_unasked)
    assert server.program is not None
    watch(server.program)
    try:
        yield server
    finally:
        server.kill()
