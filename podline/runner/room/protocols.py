"""Protocols between a room and the rest of the runner: who is present, and who answers offers."""

import asyncio
from typing import Any, Final, Protocol

from podline.errors import BotError

PARAMS: Final = {"audio_out_end_silence_secs": 0}
"""The parameters that every transport gets, whatever the bot sets. Playback paces audio, so nothing is in
flight when the pipeline ends, and Pipecat's 2 s of silence only delay that."""


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


class UnusableOffer(Exception):  # noqa: N818 - named for what happened
    """The offer or the candidates can't be used; the text says why."""


class OfferTaker(Protocol):
    """Answers offers and adds candidates."""

    async def answer(self, offer: dict[str, Any], withdrawn: asyncio.Event | None = None) -> dict[str, Any]:
        """Answer an offer, which has no effect once it is withdrawn.

        Raises:
            UnusableOffer: It is malformed or withdrawn, or another caller is in the call.
        """

    async def add_candidates(self, patch: dict[str, Any]) -> None:
        """Add a caller's ICE candidates.

        Raises:
            UnusableOffer: They are malformed or for another connection.
        """
