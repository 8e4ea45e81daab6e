"""The rooms there are, until they expire or are deleted."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sandbox.daily.refusals import invalid, not_found
from sandbox.daily.requests import CreateRoom, RoomProperties, check_name

DOMAIN: Final = "https://sandbox.daily.invalid"
"""A name that by RFC 2606 nobody can have: no client may find itself in somebody else's room."""

MOST_LISTED: Final = 100


class SandboxRoom(msgspec.Struct, frozen=True):
    """A room object, as Daily shows it."""

    id: str
    name: str
    api_created: bool
    privacy: str
    url: str
    created_at: str
    config: RoomProperties

    def has_expired(self, now: float) -> bool:
        return self.config.exp is not None and self.config.exp <= now


class SandboxRooms:
    """All rooms of the domain. Daily's API takes expired ones for deleted."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Args: now: The time of day, in seconds of Unix."""
        self._now = now
        self._rooms: dict[str, SandboxRoom] = {}

    def create(self, wanted: CreateRoom) -> SandboxRoom:
        """Make a room.

        Raises:
            Refusal: The name cannot be had, or there is a room that has it.
        """
        name = secrets.token_urlsafe(15) if wanted.name is None else wanted.name
        check_name(name)
        if self._find(name) is not None:
            raise invalid(f"a room named {name} already exists")
        created = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds")
        room = SandboxRoom(
            id=str(uuid.uuid4()),
            name=name,
            api_created=True,
            privacy=wanted.privacy,
            url=f"{DOMAIN}/{name}",
            created_at=created.replace("+00:00", "Z"),
            config=wanted.properties,
        )
        self._rooms.pop(name, None)
        self._rooms[name] = room
        return room

    def get(self, name: str) -> SandboxRoom:
        """One room.

        Raises:
            Refusal: There is none, or it has expired.
        """
        room = self._find(name)
        if room is None:
            raise not_found(name)
        return room

    def delete(self, name: str) -> None:
        """Delete a room.

        Raises:
            Refusal: There is none; if it had only expired, the body says that it is deleted now.
        """
        found = self._find(name)
        had = self._rooms.pop(name, None)
        if found is None:
            raise not_found(name, **({} if had is None else {"deleted": True}))

    def list(self, limit: int, starting_after: str | None, ending_before: str | None) -> dict[str, Any]:
        """A page of rooms, the latest first; the cursors are ids.

        Raises:
            Refusal: A cursor names no room.
        """
        rooms = [room for room in reversed(self._rooms.values()) if not room.has_expired(self._now())]
        page = rooms
        if starting_after is not None:
            page = rooms[_position(rooms, starting_after) + 1 :]
        if ending_before is not None:
            page = page[: _position(page, ending_before)]
        return {"total_count": len(rooms), "data": page[: min(limit, MOST_LISTED)]}

    def _find(self, name: str) -> SandboxRoom | None:
        room = self._rooms.get(name)
        return None if room is None or room.has_expired(self._now()) else room


def _position(rooms: list[SandboxRoom], room_id: str) -> int:
    for position, room in enumerate(rooms):
        if room.id == room_id:
            return position
    raise invalid(f"no room has the id {room_id}")
