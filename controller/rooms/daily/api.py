"""A client of Daily's REST API for rooms and their tokens.

https://docs.daily.co/reference/rest-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from controller.core.primitives.addresses import is_private_url

DAILY_API_URL: Final = "https://api.daily.co/v1"
TIMEOUT_SECONDS: Final = 10.0
"""For each request. Daily usually takes about one second."""

_INFO_LENGTH: Final = 200
_KEY: Final = re.compile(r"[!-~]+")


class DailyError(Exception):
    """A request to Daily failed. The message says why and what to do.

    Attributes:
        status: of Daily's answer; None without one.
        retry_after: the pause that Daily asks for, in seconds, if it does.
    """

    def __init__(self, sentence: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same request may succeed in a moment."""
        return self.status is None or self.is_too_many or self.status >= 500

    @property
    def is_too_many(self) -> bool:
        """Whether Daily gets too many requests with this key."""
        return self.status == httpx.codes.TOO_MANY_REQUESTS


class DailyRoom(msgspec.Struct, frozen=True):
    """A room as Daily returns it. An answer with an invalid URL or name can't be read."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+$")]
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[A-Za-z0-9._~:/-]+$")]


class _MeetingToken(msgspec.Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._~+/=-]+$")]


class ListedRoom(msgspec.Struct, frozen=True):
    """A room in a list. `created_at` is RFC 3339."""

    id: str
    name: str
    created_at: datetime


class _RoomPage(msgspec.Struct, frozen=True):
    data: list[ListedRoom]


class _DeletedRoom(msgspec.Struct, frozen=True):
    deleted: bool


Answer = TypeVar("Answer", DailyRoom, _MeetingToken, _RoomPage, _DeletedRoom)


class DailyApi:
    """A client of Daily's API, with one key."""

    def __init__(self, client: httpx.AsyncClient, key: str, url: str = DAILY_API_URL) -> None:
        """Prepare.

        Args:
            client: Makes the requests.
            key: Daily's API key.
            url: The API's, with its version.

        Raises:
            DailyError: The key or the URL is invalid, or the key would be sent unencrypted.
        """
        if not _KEY.fullmatch(key):
            raise DailyError("The Daily API key has characters that no key has; copy it again.")
        if not is_private_url(url):
            raise DailyError(
                "DAILY_API_URL is not an https address (or an http one of this machine); "
                f"leave it out for {DAILY_API_URL}."
            )
        self._client = client
        self._key = key
        self._url = url.rstrip("/")

    @property
    def is_dailys_own(self) -> bool:
        """Whether this is Daily itself, which has its rooms below daily.co."""
        return self._url == DAILY_API_URL

    @property
    def host(self) -> str:
        """The API's host."""
        return urlsplit(self._url).hostname or ""

    async def aclose(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def create_room(
        self,
        expires_at: int,
        max_participants: int,
        name: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> DailyRoom:
        """Create a private room that ejects everyone when it expires.

        Args:
            expires_at: Unix time in seconds.
            max_participants: How many may be in it at the same time.
            name: Letters, digits, hyphens and underscores. Daily chooses one if it is None.
            more: Properties of the room; none of them replaces those that limit it.

        Raises:
            DailyError: Daily created no room.
        """
        properties = {
            "start_video_off": True,
            **(more or {}),
            "exp": expires_at,
            "eject_at_room_exp": True,
            "max_participants": max_participants,
        }
        body = {"privacy": "private", "properties": properties}
        return await self._ask("POST", "rooms", DailyRoom, body if name is None else {"name": name, **body})

    async def get_room(self, name: str) -> DailyRoom:
        """Return a room. Raises DailyError if there is none or Daily does not answer."""
        return await self._ask("GET", f"rooms/{name}", DailyRoom)

    async def delete_room(self, name: str) -> None:
        """Delete a room and eject everyone. A missing room counts as deleted.

        Raises:
            DailyError: Daily did not delete it.
        """
        try:
            await self._ask("DELETE", f"rooms/{name}", _DeletedRoom)
        except DailyError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    async def list_rooms(self, after: str | None = None) -> list[ListedRoom]:
        """Return a page of rooms, latest first, after the one with this id. The last page is empty.

        Raises:
            DailyError: Daily does not answer.
        """
        query = {} if after is None else {"starting_after": after}
        return (await self._ask("GET", "rooms", _RoomPage, query=query)).data

    async def create_token(self, room_name: str, expires_at: int, *, is_owner: bool) -> str:
        """Create a token that admits to one room until it expires.

        It leaves ejection out, because a token's setting would override the room's.

        Raises:
            DailyError: Daily created no token.
        """
        properties = {"room_name": room_name, "exp": expires_at, "is_owner": is_owner}
        return (await self._ask("POST", "meeting-tokens", _MeetingToken, {"properties": properties})).token

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer:
        try:
            answer = await self._client.request(
                method,
                f"{self._url}/{path}",
                json=body,
                params=query,
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=TIMEOUT_SECONDS,
            )
        except httpx.TimeoutException as error:
            raise DailyError(
                f"Daily did not answer within {TIMEOUT_SECONDS:g} seconds; try again, or check the network."
            ) from error
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise DailyError(
                f"Daily could not be reached ({type(error).__name__}); check the network and DAILY_API_URL."
            ) from error
        if answer.status_code != httpx.codes.OK:
            seconds = answer.headers.get("Retry-After", "")
            raise DailyError(
                self._refusal(answer),
                status=answer.status_code,
                retry_after=float(seconds) if seconds.isdecimal() else None,
            )
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise DailyError(
                "Daily's answer cannot be read; check that DAILY_API_URL is the address of Daily's API.",
                status=answer.status_code,
            ) from error

    def _refusal(self, answer: httpx.Response) -> str:
        """Return what an answer other than 200 means."""
        status = answer.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return "Daily did not accept the key; check it at https://dashboard.daily.co/developers."
        if status == httpx.codes.TOO_MANY_REQUESTS:
            seconds = answer.headers.get("Retry-After", "")
            after = f"after {seconds} s" if seconds.isdecimal() else "in a few seconds"
            return f"Daily received too many requests with this key; try again {after}."
        if answer.is_server_error:
            return f"Daily failed with status {status}; try again, or look at https://status.daily.co."
        return f"Daily refused with status {status}{self._info(answer)}."

    def _info(self, answer: httpx.Response) -> str:
        """Return Daily's own message, if there is one, without the key."""
        try:
            info = msgspec.json.decode(answer.content, type=dict[str, Any]).get("info")
        except msgspec.MsgspecError:
            return ""
        if not isinstance(info, str) or not info.strip():
            return ""
        message = " ".join(info.replace(self._key, "...").split())
        return f": {message[:_INFO_LENGTH].rstrip(' .')}"
