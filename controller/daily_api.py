"""Daily's REST API, as far as it makes rooms and tokens for them.

https://docs.daily.co/reference/rest-api
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec

from controller.settings import is_loopback

DAILY_API_URL: Final = "https://api.daily.co/v1"
TIMEOUT_SECONDS: Final = 10.0
"""For each request. Daily has been seen to take about one second."""

_INFO_LENGTH: Final = 200
_KEY: Final = re.compile(r"[!-~]+")


class DailyError(Exception):
    """Daily did not do what was asked; the sentence says why and what to do."""


class Room(msgspec.Struct, frozen=True):
    """A room, as far as it matters here. What is no URL or no name is taken for no answer."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]+$")]
    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[A-Za-z0-9._~:/-]+$")]


class _Token(msgspec.Struct, frozen=True):
    token: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._~+/=-]+$")]


Answer = TypeVar("Answer", Room, _Token)


class DailyApi:
    """Asks Daily with one key."""

    def __init__(self, client: httpx.AsyncClient, key: str, url: str = DAILY_API_URL) -> None:
        """Args: url: The API's, with its version.

        Raises:
            DailyError: The key can be none, it would be sent in the clear, or the URL is none.
        """
        if not _KEY.fullmatch(key):
            raise DailyError("The Daily API key has characters that no key has; copy it once more.")
        if not _is_safe(url):
            raise DailyError(
                "DAILY_API_URL is not an https address (or an http one of this machine); "
                f"leave it out for {DAILY_API_URL}."
            )
        self._client = client
        self._key = key
        self._url = url.rstrip("/")

    async def create_room(self, expires_at: int, max_participants: int) -> Room:
        """Make a private room that puts everybody out when it expires.

        Args:
            expires_at: In seconds of Unix.
            max_participants: How many may be in it at one time.

        Raises:
            DailyError: Daily made no room.
        """
        properties = {
            "exp": expires_at,
            "eject_at_room_exp": True,
            "max_participants": max_participants,
            "start_video_off": True,
        }
        return await self._post("rooms", {"privacy": "private", "properties": properties}, Room)

    async def create_token(self, room: Room, expires_at: int, *, is_owner: bool) -> str:
        """Make a token for one room, to join until it expires.

        It says nothing of ejection: what a token says of it takes the place of what the room says.

        Raises:
            DailyError: Daily made no token.
        """
        properties = {"room_name": room.name, "exp": expires_at, "is_owner": is_owner}
        return (await self._post("meeting-tokens", {"properties": properties}, _Token)).token

    async def _post(self, path: str, body: dict[str, Any], kind: type[Answer]) -> Answer:
        try:
            answer = await self._client.post(
                f"{self._url}/{path}",
                json=body,
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
            raise DailyError(self._refusal(answer))
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.MsgspecError as error:
            raise DailyError(
                "Daily's answer cannot be read; check that DAILY_API_URL is that of Daily's API."
            ) from error

    def _refusal(self, answer: httpx.Response) -> str:
        """What an answer that is not 200 means to whoever asked."""
        status = answer.status_code
        if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            return "Daily did not accept the key; check it at https://dashboard.daily.co/developers."
        if status == httpx.codes.TOO_MANY_REQUESTS:
            seconds = answer.headers.get("Retry-After", "")
            after = f"after {seconds} s" if seconds.isdecimal() else "in some seconds"
            return f"Daily has had too many requests with this key; try again {after}."
        if answer.is_server_error:
            return f"Daily failed with status {status}; try again, or look at https://status.daily.co."
        return f"Daily refused with status {status}{self._info(answer)}."

    def _info(self, answer: httpx.Response) -> str:
        """Daily's own words, if there are any; never the key, should they hold it."""
        try:
            info = msgspec.json.decode(answer.content, type=dict[str, Any]).get("info")
        except msgspec.MsgspecError:
            return ""
        if not isinstance(info, str) or not info.strip():
            return ""
        words = " ".join(info.replace(self._key, "...").split())
        return f": {words[:_INFO_LENGTH].rstrip(' .')}"


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
