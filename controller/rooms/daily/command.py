"""`podline room`: a Daily room for a bot that runs alone, printed for a shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from controller.rooms.daily.api import DAILY_API_URL, DailyApi, DailyError

ROOM_SECONDS: Final = 3600
"""How long a room lasts: twice the default maximum duration of a call."""

MAX_PARTICIPANTS: Final = 3
"""The bot, the caller, and the caller again if Daily has not noticed that the connection was lost."""


@dataclass(frozen=True)
class Meeting:
    """A room, and how each side joins it."""

    room_url: str
    bot_token: str
    caller_token: str

    @property
    def variables(self) -> str:
        """The bot's variables, as `export $(podline room)` needs them."""
        return f"DAILY_ROOM_URL={self.room_url}\nDAILY_TOKEN={self.bot_token}\n"

    @property
    def comment(self) -> str:
        """The caller's instructions. Daily's own page takes the token from the query."""
        return (
            f"# A room for {ROOM_SECONDS // 60} minutes. Start a bot with these variables, then call it at\n"
            f"# {self.room_url}?t={self.caller_token}\n"
        )


async def make_meeting(key: str | None, variables: Mapping[str, str], now: float) -> Meeting:
    """Create a room and a token for each side.

    Args:
        key: From the command line; None to take it from the environment.
        variables: DAILY_API_KEY and DAILY_API_URL are read.
        now: The Unix time in seconds.

    Raises:
        DailyError: There is no key, or Daily refused.
    """
    key = key or variables.get("DAILY_API_KEY", "").strip()
    if not key:
        raise DailyError(
            "DAILY_API_KEY is not set; get a key from https://dashboard.daily.co/developers, "
            "or pass one with -k."
        )
    expires_at = int(now) + ROOM_SECONDS
    async with httpx.AsyncClient() as client:
        api = DailyApi(client, key, variables.get("DAILY_API_URL", "").strip() or DAILY_API_URL)
        room = await api.create_room(expires_at, MAX_PARTICIPANTS)
        return Meeting(
            room.url,
            bot_token=await api.create_token(room.name, expires_at, is_owner=True),
            caller_token=await api.create_token(room.name, expires_at, is_owner=False),
        )
