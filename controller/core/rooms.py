"""Where caller and bot meet: the Protocol, and one module for each provider behind it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.core.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A place to meet, with what either side needs to get in.

    Attributes:
        name: what tells it from all other rooms of the provider.
        url: where the caller goes.
        caller_token: what the caller shows there; None where the caller has their own.
        environment: the bot's variables that name the room.
        secrets: the bot's variables that open it; None where they are forgotten.
    """

    name: str
    url: str
    caller_token: str | None = field(repr=False)
    environment: Mapping[str, str]
    secrets: Mapping[str, str] | None = field(repr=False)


class Rooms(Protocol):
    """One provider of rooms. `lifetime_seconds` is for how long, from now on, a session may need its room."""

    @property
    def provider(self) -> str:
        """The provider's name, as `transport` and `room.provider` say it."""

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:
        """Make a room for a session.

        Raises:
            RoomsUnavailable: the provider made none.
        """

    def bring(self, session: Session, url: str, token: str) -> Room:
        """Take a room that the caller has made. `token` is the bot's.

        Raises:
            InvalidRequest: the room is not of this provider, or the token does not let a bot into it.
        """

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        """The bot's side of a room that an earlier controller has opened, without a caller's token.

        `secrets` is None where the bot's token was the caller's to give: it is forgotten.

        Raises:
            RoomsUnavailable: the provider made no token.
        """

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:
        """Another token for the caller of an open room; None where the caller brought it.

        Raises:
            RoomsUnavailable: the provider made none.
        """

    async def close(self, session: Session) -> None:
        """The session of an opened room has ended: nobody may stay in it.

        Raises:
            RoomsUnavailable: it can't be closed now.
        """

    async def sweep(self, live: Collection[str]) -> int:
        """Close rooms of this installation that are of some age and not of a launch that is `live`.

        Returns:
            How many there were.

        Raises:
            RoomsUnavailable: the provider did not do it.
        """

    async def aclose(self) -> None:
        """Let connections to the provider go."""
