"""Where caller and bot meet: the Protocol, and one module for each provider behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A place to meet, with what either side needs to get in.

    Attributes:
        url: where the caller goes.
        caller_token: what the caller shows there; None where the caller has their own.
        environment: the bot's variables that name the room.
        secrets: the bot's variables that open it; None where they are forgotten.
    """

    url: str
    caller_token: str | None
    environment: Mapping[str, str]
    secrets: Mapping[str, str] | None


class Rooms(Protocol):
    """One provider of rooms."""

    @property
    def provider(self) -> str:
        """The provider's name, as `transport` and `room.provider` say it."""

    async def open(self, session_id: str, *, lifetime_seconds: float) -> Room:
        """Make a room for a session; nobody needs it after `lifetime_seconds`.

        Raises:
            RoomsUnavailable: the provider made none.
        """

    def bring(self, session_id: str, url: str, token: str) -> Room:
        """Take a room that the caller has made. `token` is the bot's.

        Raises:
            InvalidRequest: the room is not of this provider.
        """

    async def enter_again(self, session_id: str, url: str | None, *, is_brought: bool) -> Room:
        """The bot's side of a room that an earlier controller has opened, without a caller's token.

        `secrets` is None where the bot's token was the caller's to give: it is forgotten.
        """

    async def admit(self, session_id: str, url: str) -> str | None:
        """Another token for the caller of an open room."""

    async def close(self, session_id: str, url: str) -> None:
        """The session of an opened room has ended: nobody may stay in it.

        Raises nothing: a room that cannot be closed now runs out by itself.
        """
