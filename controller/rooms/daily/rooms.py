"""Rooms at Daily.

https://docs.daily.co/reference/rest-api
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from controller.core.errors import InvalidRequest
from controller.core.rooms import Room, RoomLoad
from controller.core.session import Session
from controller.rooms.daily import api as daily_api
from controller.rooms.daily.api import DailyApi, DailyError
from controller.rooms.hosts import RoomUrl, read_room_url
from controller.rooms.names import RoomNames
from controller.rooms.pace import RequestPace
from controller.rooms.provider import ProviderError, ask
from podline.contract import environment

DAILYS_ROOMS: Final = "*.daily.co"
MOST_PARTICIPANTS: Final = 3
"""The bot, the caller, and the caller again if Daily has not noticed that the connection was lost."""

_BEHIND_SECONDS: Final = 60
"""How much longer a room exists than its session may need it."""

_YOUNGEST_SWEPT_SECONDS: Final = 60.0

# https://docs.daily.co/reference/rest-api/your-domain/rate-limits: 100 requests in 5 s, and 50 deletions in
# 30 s. A burst plus what is regained within the window stays below that.
_REQUESTS: Final = (20, 1.25)
_DELETIONS: Final = (10, 7.5)
_REQUESTS_PER_ROOM: Final = 3
"""The room and a token for each side."""

_ROOM_PATH: Final = re.compile(r"/([A-Za-z0-9_-]{1,128})")
T = TypeVar("T")


class DailyRooms:
    """Creates rooms with the operator's key."""

    provider = "daily"
    token_is_of_launch = False

    def __init__(
        self, api: DailyApi, names: RoomNames, now: Callable[[], float], hosts: Collection[str] = ()
    ) -> None:
        """Send nothing yet.

        Args:
            api: Daily, with a key.
            names: those of this installation's rooms.
            now: returns the Unix time in seconds.
            hosts: those that brought rooms may be on; the API's own by default.
        """
        self._hosts = hosts or (DAILYS_ROOMS if api.is_dailys_own else api.host,)
        self._api = api
        self._names = names
        self._now = now
        self._requests = RequestPace(*_REQUESTS)
        self._deletions = RequestPace(*_DELETIONS)

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:
        name = self._names.of(session.launch_id)
        expires_at = self._expiry(lifetime_seconds)
        made = await self._ask(lambda: self._create(name, expires_at, session.room_properties))
        async with asyncio.TaskGroup() as tokens:
            bot = tokens.create_task(self._token(name, expires_at, is_owner=True))
            caller = tokens.create_task(self._token(name, expires_at, is_owner=False))
        return self._room(name, made.url, bot_token=bot.result(), caller_token=caller.result())

    def bring(self, session: Session, url: str, token: str) -> Room:  # noqa: ARG002 - a room is its address
        """Check that the token's claims fit the room. Only Daily can check its signature.

        Raises:
            InvalidRequest: it is not a Daily room, it is another session's, or the token is for another room.
        """
        brought, name = self._read(url)
        if self._names.is_of_any_session(name):
            raise InvalidRequest("room.url: it is another session's room. Make a room of your own.")
        claims = _claims(token)
        if claims.get("r", name) != name:
            raise InvalidRequest("room.token: it is for another room. Make one for this room and the bot.")
        expires_at = claims.get("exp")
        if isinstance(expires_at, int | float) and expires_at <= self._now():
            raise InvalidRequest("room.token: it has expired. Make another for the bot.")
        return self._room(name, str(brought), bot_token=token, caller_token=None)

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        url = session.room_url or ""
        if session.room_is_brought:
            return self._room(session.room_name or url, url, bot_token=None, caller_token=None)
        name = self._name_of(session)
        token = await self._token(name, self._expiry(lifetime_seconds), is_owner=True)
        return self._room(name, url, bot_token=token, caller_token=None)

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:
        if session.room_is_brought:
            return None
        name = self._name_of(session)
        return await self._token(name, self._expiry(lifetime_seconds), is_owner=False)

    async def close(self, session: Session) -> None:
        await self._delete(self._name_of(session))

    async def sweep(self, live: Collection[str]) -> int:
        oldest = self._now() - _YOUNGEST_SWEPT_SECONDS
        names = [
            room.name
            async for room in self._listed()
            if room.created_at.timestamp() < oldest
            and (launch_id := self._names.launch(room.name)) is not None
            and launch_id not in live
            and room.name not in live
        ]
        for name in names:
            await self._delete(name)
        return len(names)

    def load(self, rooms: int) -> RoomLoad:
        return RoomLoad(
            wait_seconds=self._requests.wait_seconds(rooms * _REQUESTS_PER_ROOM), rate=self._requests.rate
        )

    async def aclose(self) -> None:
        await self._api.aclose()

    async def _listed(self) -> AsyncIterator[daily_api.ListedRoom]:
        last: str | None = None
        while page := await self._ask(partial(self._api.list_rooms, last)):
            for room in page:
                yield room
            last = page[-1].id

    async def _create(self, name: str, expires_at: int, properties: Mapping[str, Any]) -> daily_api.DailyRoom:
        """Create a room, or find the one created by an attempt that got no answer."""
        try:
            return await self._api.create_room(expires_at, MOST_PARTICIPANTS, name, properties)
        except DailyError as error:
            if error.status != 400:
                raise
            try:
                return await self._api.get_room(name)
            except DailyError:
                raise error from None

    async def _token(self, name: str, expires_at: int, *, is_owner: bool) -> str:
        return await self._ask(lambda: self._api.create_token(name, expires_at, is_owner=is_owner))

    async def _delete(self, name: str) -> None:
        await self._ask(lambda: self._api.delete_room(name), self._deletions)

    async def _ask(self, request: Callable[[], Awaitable[T]], pace: RequestPace | None = None) -> T:
        async def request_or_provider_error() -> T:
            try:
                return await request()
            except DailyError as error:
                raise ProviderError(
                    str(error),
                    is_passing=error.is_passing,
                    is_too_many=error.is_too_many,
                    retry_after=error.retry_after,
                ) from error

        return await ask(request_or_provider_error, pace or self._requests, "Daily")

    def _expiry(self, lifetime_seconds: float) -> int:
        return int(self._now() + lifetime_seconds) + _BEHIND_SECONDS

    def _name_of(self, session: Session) -> str:
        """Return the name that its room was given, perhaps by a version that named rooms differently."""
        return session.room_name or self._names.of(session.launch_id)

    def _read(self, url: str) -> tuple[RoomUrl, str]:
        """Return a room's address, and its name there."""
        room = read_room_url(url, ("https",))
        path = _ROOM_PATH.fullmatch(room.path) if room is not None else None
        if room is None or path is None:
            raise InvalidRequest(
                "room.url: it must be the address of a Daily room, such as https://your-domain.daily.co/room."
            )
        if not room.is_on(self._hosts):
            raise InvalidRequest(
                "room.url: rooms on that host are not accepted here, unlike one such as "
                "https://your-domain.daily.co/room. The operator lists hosts in PODLINE_ROOM_HOSTS."
            )
        return room, path[1]

    def _room(self, name: str, url: str, *, bot_token: str | None, caller_token: str | None) -> Room:
        return Room(
            name=name,
            url=url,
            caller_token=caller_token,
            environment={environment.TRANSPORT: self.provider, environment.DAILY_ROOM_URL: url},
            secrets=None if bot_token is None else {environment.DAILY_TOKEN: bot_token},
        )


def _claims(token: str) -> dict[str, Any]:
    """Return a token's claims, as far as they can be read.

    https://docs.daily.co/docs/guides/privacy-and-security/self-signing-tokens
    """
    payload = token.partition(".")[2].partition(".")[0]
    try:
        padded = payload + "=" * (-len(payload) % 4)
        return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return {}
