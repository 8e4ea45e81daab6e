"""The four events that every transport reports to the call."""

from typing import Final, Protocol

from podline.errors import BotError

END_SILENCE_SECONDS: Final = 0
"""Playback paces audio, so nothing is in flight when the pipeline ends, and Pipecat's 2 s only delay that."""


class Presence(Protocol):
    """Events that a transport reports to the call. Each may be reported repeatedly."""

    def joined(self) -> None:
        """The bot is in the room, ready for the caller."""

    def caller_joined(self) -> None:
        """The caller can hear and be heard."""

    def caller_left(self, *, abruptly: bool) -> None:
        """The caller is gone: `abruptly` if the network or the browser died and they may return."""

    def room_failed(self, error: BotError) -> None:
        """The room cannot be joined or is lost."""
