"""What every transport tells the call: the same four things."""

from typing import Final, Protocol

from podline.errors import BotError

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
