"""Where the bot meets the caller: a Pipecat transport for each provider, all telling the same four things."""

from typing import Any, Final, Protocol

from pipecat.transports.base_transport import BaseTransport

from bot.errors import BotError, ConfigInvalid, RoomLost, RoomRefused
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
            return _daily(room, presence)
        case LiveKitRoom():
            raise ConfigInvalid("LiveKit rooms are not built into this bot; use daily or webrtc.")


def _daily(room: DailyRoom, presence: Presence) -> BaseTransport:
    # Imported here because Daily's native client is needed for its own rooms only.
    from pipecat.transports.daily.transport import DailyParams, DailyTransport  # noqa: PLC0415

    transport = DailyTransport(
        room.url,
        room.token,
        "Podline",
        DailyParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=END_SILENCE_SECONDS,
            camera_out_enabled=False,
        ),
    )
    has_joined = False

    @transport.event_handler("on_joined")
    async def on_joined(_transport: BaseTransport, _data: Any) -> None:
        nonlocal has_joined
        has_joined = True
        presence.joined()

    @transport.event_handler("on_participant_joined")
    async def on_participant_joined(_transport: BaseTransport, _participant: Any) -> None:
        presence.caller_joined()

    @transport.event_handler("on_participant_left")
    async def on_participant_left(_transport: BaseTransport, _participant: Any, reason: str) -> None:
        presence.caller_left(abruptly=reason != "leftCall")

    @transport.event_handler("on_error")
    async def on_error(_transport: BaseTransport, error: str) -> None:
        if has_joined:
            presence.room_failed(RoomLost(f"The Daily room was lost: {error}."))
        else:
            presence.room_failed(
                RoomRefused(f"Daily did not let the bot in: {error}; check DAILY_ROOM_URL and DAILY_TOKEN.")
            )

    return transport
