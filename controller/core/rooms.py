"""Where caller and bot meet: the Protocol of a room provider."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.core.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room, with what each side needs to enter it.

    Attributes:
        name: unique among the rooms of its provider.
        url: where the caller goes.
        caller_token: admits the caller; None if the caller has their own.
        environment: the bot's variables that name the room.
        secrets: the bot's variables that admit it; None if they are no longer known.
    """

    name: str
    url: str
    caller_token: str | None = field(repr=False)
    environment: Mapping[str, str]
    secrets: Mapping[str, str] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests per second: as many as are made now, and without refusals from the provider."""

    per_second: float
    full_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomLoad:
    """How busy a provider is.

    Attributes:
        wait_seconds: how long the last room asked about would wait for its turn.
        rate: of requests to the provider.
    """

    wait_seconds: float
    rate: Rate


class Rooms(Protocol):
    """One provider of rooms. `lifetime_seconds` is how long, from now on, a session may need its room."""

    @property
    def provider(self) -> str:
        """The provider's name, as in `transport` and `room.provider`."""

    @property
    def token_is_of_launch(self) -> bool:
        """Whether a caller's token is for one launch: a session that claims a warm bot needs another."""

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:
        """Create a room for a session.

        Raises:
            RoomsUnavailable: the provider created none.
        """

    def bring(self, session: Session, url: str, token: str) -> Room:
        """Use a room that the caller created. `token` is the bot's.

        Raises:
            InvalidRequest: the room is not of this provider, or the token does not admit a bot.
        """

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        """Return the bot's side of a room that an earlier controller opened, without a token for the caller.

        `secrets` is None if the caller brought the room: the bot's token was theirs and is not kept.

        Raises:
            RoomsUnavailable: the provider created no token.
        """

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:
        """Return another token for the caller of an open room; None if the caller brought it.

        Raises:
            RoomsUnavailable: the provider created none.
        """

    async def close(self, session: Session) -> None:
        """Close the room of a session that has ended, with everybody who is still in it.

        Raises:
            RoomsUnavailable: it can't be closed now.
        """

    async def sweep(self, live: Collection[str]) -> int:
        """Close rooms of this installation that are above a minimum age and belong to nobody.

        `live` has the launch ids of running sessions, and the names of their rooms.

        Returns:
            How many were closed.

        Raises:
            RoomsUnavailable: the provider refused or did not answer.
        """

    def load(self, rooms: int) -> RoomLoad | None:
        """Return how busy the provider is if so many rooms are requested now; None without a provider."""

    async def aclose(self) -> None:
        """Close the connections to the provider."""
