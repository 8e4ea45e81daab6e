"""Where the bot meets the caller: a Pipecat transport for each provider."""

from pipecat.transports.base_transport import BaseTransport

from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.presence import Presence
from podline.runner.settings import DailyRoom, LiveKitRoom


def room_transport(
    room: DailyRoom | LiveKitRoom, presence: Presence, messages: ClientMessages
) -> BaseTransport:
    """The transport for a room that a provider hosts."""
    match room:
        case DailyRoom():
            # Imported here because Daily's native client is needed for its own rooms only.
            from podline.runner.room.daily import daily_transport  # noqa: PLC0415

            return daily_transport(room, presence, messages)
        case LiveKitRoom():
            # Likewise.
            from podline.runner.room.livekit import livekit_transport  # noqa: PLC0415

            return livekit_transport(room, presence, messages)
