"""Where the bot meets the caller: a Pipecat transport for each provider, all telling the same four things."""

from typing import Final, Protocol

from pipecat.transports.base_transport import BaseTransport

from bot.errors import BotError, ConfigInvalid
from bot.settings import DailyRoom, LiveKitRoom

END_SILENCE_SECONDS: Final = 0
"""Audio is paced by its playing: when the pipeline ends nothing is on its way, Pipecat's 2 s only delay."""


class Presence(Protocol):
    """What a transport tells the call. Each may be called again and again."""

    def joined(self) -> None:
        """The bot is in the room, ready for the caller."""

    def caller_joined(self) -> None:
        """The caller can hear and be heard."""

    def caller_left(self, *, abruptly: bool) -> None:
        """The caller is gone: `abruptly` where the network or the browser died and they may come back."""

    def room_failed(self, error: BotError) -> None:
        """The room cannot be joined or is lost."""


def room_transport(room: DailyRoom | LiveKitRoom, presence: Presence) -> BaseTransport:
    """The transport for a room that a provider hosts.

    Raises:
        ConfigInvalid: The room's provider is not built into this bot.
    """
    match room:
        case DailyRoom():
            # Imported here because Daily's native client is needed for its own rooms only.
            from bot.daily import daily_transport  # noqa: PLC0415

            return daily_transport(room, presence)
        case LiveKitRoom():
            raise ConfigInvalid("LiveKit rooms are not built into this bot; use daily or webrtc.")
