"""How the bot meets its caller: a Pipecat transport for each provider, imported only if it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pipecat.transports.base_transport import BaseTransport

from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.protocols import Presence
from podline.runner.settings import DailyRoomAccess, LiveKitRoomAccess, RunnerSettings

if TYPE_CHECKING:
    from podline.runner.room.webrtc import Peer


MeetCaller = Callable[[Presence, ClientMessages], "tuple[BaseTransport, Peer | None]"]
"""Makes the transport for the caller's room; without a room, the transport of a peer, and that peer.

Raises `ConfigInvalid` if the extra of Pipecat that it needs is missing.
"""


def import_transport(settings: RunnerSettings) -> MeetCaller:
    """Import what this call's transport needs, and return a function that makes the transport."""
    match settings.room:
        case DailyRoomAccess() as daily_room:
            from podline.runner.room.daily import daily_transport  # noqa: PLC0415

            return lambda presence, messages: (daily_transport(daily_room, presence, messages), None)
        case LiveKitRoomAccess() as livekit_room:
            from podline.runner.room.livekit import livekit_transport  # noqa: PLC0415

            return lambda presence, messages: (livekit_transport(livekit_room, presence, messages), None)
        case None:
            from podline.runner.room.steady_webrtc import keep_steady_time  # noqa: PLC0415
            from podline.runner.room.webrtc import Peer  # noqa: PLC0415

            keep_steady_time()

            def meet_by_peer(presence: Presence, messages: ClientMessages) -> tuple[BaseTransport, Peer]:
                peer = Peer(
                    presence,
                    messages,
                    settings.ice_servers,
                    refuse_private_candidates=settings.refuse_private_candidates,
                )
                return peer.transport, peer

            return meet_by_peer
