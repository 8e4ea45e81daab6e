"""Rooms on a LiveKit server, self-hosted or in LiveKit Cloud.

https://docs.livekit.io/reference/server/server-apis/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final, TypeVar

import aiohttp
from jwt import PyJWTError
from livekit.api.access_token import AccessToken, TokenVerifier, VideoGrants
from livekit.api.room_service import RoomService
from livekit.api.twirp_client import ServerError, ServerErrorCode
from livekit.protocol.room import CreateRoomRequest, DeleteRoomRequest, ListRoomsRequest, RoomConfiguration

from controller.core.errors import InvalidRequest
from controller.core.primitives.addresses import normal_host, split_url
from controller.core.rooms import Room, RoomLoad
from controller.core.session import Session
from controller.rooms.hosts import read_room_url
from controller.rooms.names import RoomNames
from controller.rooms.pace import RequestPace
from controller.rooms.provider import ProviderError, ask
from podline.contract import environment

BOT: Final = "bot"
CALLER: Final = "caller"
"""Identities. Each can be in a room only once: a newcomer with the same identity replaces the former."""

MOST_CALLERS: Final = 1
"""LiveKit does not count agents, and the bot is one."""

_BEHIND_SECONDS: Final = 60
"""How much longer an empty room is kept open than its session may need it."""

_YOUNGEST_SWEPT_SECONDS: Final = 60.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_REQUESTS: Final = (100, 100 / 15)
"""A burst, and the seconds in which it is regained: never more than 1,000 in a minute."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitAccount:
    """A server, and our key for it.

    Attributes:
        url: used by the controller and bots.
        public_url: used by callers.
    """

    url: str
    public_url: str
    key: str
    secret: str = field(repr=False)


class LiveKitRooms:
    """Creates rooms with a key of the server. Tokens are signed here, without a request."""

    provider = "livekit"
    token_is_of_launch = False

    def __init__(
        self, account: LiveKitAccount, names: RoomNames, now: Callable[[], float], hosts: Collection[str] = ()
    ) -> None:
        """Send nothing yet.

        Args:
            account: the server and the key.
            names: those of this installation's rooms.
            now: returns the Unix time in seconds.
            hosts: further names of the server. Bots always use the account's URL.
        """
        self._hosts = hosts
        self._account = account
        self._names = names
        self._now = now
        self._pace = RequestPace(*_REQUESTS)

    async def open(self, session: Session, *, lifetime_seconds: float) -> Room:
        name = self._names.of(session.launch_id)
        kept_open = _kept_open(lifetime_seconds)
        wanted = CreateRoomRequest(
            name=name,
            empty_timeout=kept_open,
            departure_timeout=kept_open,
            max_participants=MOST_CALLERS,
        )
        await self._ask(lambda: self._service.create_room(wanted))
        return self._room(
            name,
            bot_token=self._token(name, BOT, lifetime_seconds),
            caller_token=self._token(name, CALLER, lifetime_seconds),
        )

    def bring(self, session: Session, url: str, token: str) -> Room:  # noqa: ARG002 - the token names the room
        """Read the room from the token, because LiveKit's rooms have no address of their own.

        Raises:
            InvalidRequest: it is another server, or the token does not let a bot into a room there.
        """
        if not self._is_ours(url):
            raise InvalidRequest(f"room.url: this controller's LiveKit server is {self._account.public_url}.")
        return self._room(self._room_granted(token), bot_token=token, caller_token=None)

    def _is_ours(self, url: str) -> bool:
        if (address := _address(url)) is not None and address in map(
            _address, (self._account.url, self._account.public_url)
        ):
            return True
        named = read_room_url(url, ("https", "wss"))
        return named is not None and named.path in ("", "/") and named.is_on(self._hosts)

    async def enter_again(self, session: Session, *, lifetime_seconds: float) -> Room:
        if session.room_is_brought:
            return self._room(session.room_name or "", bot_token=None, caller_token=None)
        name = self._name_of(session)
        return self._room(name, bot_token=self._token(name, BOT, lifetime_seconds), caller_token=None)

    async def admit(self, session: Session, *, lifetime_seconds: float) -> str | None:
        if session.room_is_brought:
            return None
        return self._token(self._name_of(session), CALLER, lifetime_seconds)

    async def close(self, session: Session) -> None:
        await self._delete(self._name_of(session))

    async def sweep(self, live: Collection[str]) -> int:
        answer = await self._ask(lambda: self._service.list_rooms(ListRoomsRequest()))
        oldest = self._now() - _YOUNGEST_SWEPT_SECONDS
        names = [
            room.name
            for room in answer.rooms
            if room.creation_time < oldest
            and (launch_id := self._names.launch(room.name)) is not None
            and launch_id not in live
            and room.name not in live
        ]
        for name in names:
            await self._delete(name)
        return len(names)

    def load(self, rooms: int) -> RoomLoad:
        return RoomLoad(wait_seconds=self._pace.wait_seconds(rooms), rate=self._pace.rate)

    async def aclose(self) -> None:
        if "_http" in self.__dict__:
            await self._http.close()

    async def _delete(self, name: str) -> None:
        async def delete() -> None:
            try:
                await self._service.delete_room(DeleteRoomRequest(room=name))
            except ServerError as error:
                if error.code != ServerErrorCode.NOT_FOUND:
                    raise

        await self._ask(delete)

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        async def request_or_provider_error() -> T:
            try:
                return await request()
            except ServerError as error:
                raise _refusal(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise ProviderError(
                    f"LiveKit could not be reached ({type(error).__name__}); "
                    f"check that its server runs at {self._account.url}.",
                    is_passing=True,
                ) from error

        return await ask(request_or_provider_error, self._pace, "LiveKit")

    @cached_property
    def _http(self) -> aiohttp.ClientSession:
        # Created at the first request, because it belongs to the event loop that is running then.
        return aiohttp.ClientSession(timeout=_TIMEOUT)

    @cached_property
    def _service(self) -> RoomService:
        account = self._account
        # Without the SDK's own retries, which look for other regions and ignore our rate limit.
        return RoomService(self._http, account.url, account.key, account.secret, failover=False)

    def _token(self, room: str, identity: str, lifetime_seconds: float) -> str:
        kept_open = _kept_open(lifetime_seconds)
        # If a restarted server has lost the room, the first participant to return creates it as it was.
        room_again = RoomConfiguration(
            empty_timeout=kept_open, departure_timeout=kept_open, max_participants=MOST_CALLERS
        )
        grants = VideoGrants(room_join=True, room=room, can_publish_sources=["microphone"])
        token = (
            AccessToken(self._account.key, self._account.secret)
            .with_identity(identity)
            .with_kind("agent" if identity == BOT else "standard")
            .with_ttl(timedelta(seconds=lifetime_seconds))
            .with_grants(grants)
            .with_room_config(room_again)
        )
        return token.to_jwt()

    def _room_granted(self, token: str) -> str:
        """Return the room that a bot's token is for.

        Raises:
            InvalidRequest: our bot can't use it.
        """
        try:
            claims = TokenVerifier(self._account.key, self._account.secret).verify(token)
        except (PyJWTError, TypeError, AttributeError, ValueError):
            # LiveKit's verifier raises any of these for a token that it can't read.
            raise InvalidRequest(
                "room.token: it has expired, or was not signed with this controller's LIVEKIT_API_KEY. "
                "Make another for the bot."
            ) from None
        grant = claims.video
        if grant is None or grant.room_join is not True or not grant.room:
            raise InvalidRequest("room.token: it does not allow joining a room. Make one for the bot.")
        if self._names.is_of_any_session(grant.room):
            raise InvalidRequest("room.token: it is for another session's room. Make a room of your own.")
        sources = grant.can_publish_sources
        if not (grant.can_publish and grant.can_subscribe and grant.can_publish_data) or (
            sources and "microphone" not in sources
        ):
            raise InvalidRequest(
                "room.token: a bot must be allowed to publish its microphone and data, and to subscribe. "
                "This may be a caller's token."
            )
        return grant.room

    def _name_of(self, session: Session) -> str:
        """Return the name that its room was given, perhaps by a version that named rooms differently."""
        return session.room_name or self._names.of(session.launch_id)

    def _room(self, name: str, *, bot_token: str | None, caller_token: str | None) -> Room:
        return Room(
            name=name,
            url=self._account.public_url,
            caller_token=caller_token,
            environment={environment.TRANSPORT: self.provider, environment.LIVEKIT_URL: self._account.url},
            secrets=None if bot_token is None else {environment.LIVEKIT_TOKEN: bot_token},
        )


def _kept_open(lifetime_seconds: float) -> int:
    """Return for how many seconds an empty room stays open.

    By default LiveKit would close a room whose caller is late, or lost the connection and may return.
    """
    return int(lifetime_seconds) + _BEHIND_SECONDS


def _refusal(error: ServerError) -> ProviderError:
    """Return what LiveKit's refusal means."""
    status = error.status
    if status in (401, 403):
        return ProviderError("LiveKit did not accept the key; check LIVEKIT_API_KEY and LIVEKIT_API_SECRET.")
    if status == 429:
        return ProviderError(
            "LiveKit received too many requests with this key; try again.", is_passing=True, is_too_many=True
        )
    if status >= 500:
        return ProviderError(f"LiveKit failed with status {status}; try again.", is_passing=True)
    return ProviderError(f"LiveKit refused with status {status} ({error.code}).")


def _address(url: str) -> tuple[str, str, int | None, str] | None:
    """Return a normalised address; None if it is invalid."""
    if (parts := split_url(url)) is None:
        return None
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    port = parts.port or {"http": 80, "https": 443}.get(scheme)
    name = parts.hostname or ""
    host = normal_host(name) or name  # the latter is an IPv6 address
    if not host or parts.query or parts.fragment or parts.username is not None:
        return None
    return scheme, host, port, parts.path.rstrip("/")
