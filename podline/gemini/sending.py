"""A session whose sending has a time limit, because a server that reads nothing would block the bot."""

from __future__ import annotations

import asyncio
from typing import Any, Final

SEND_SECONDS: Final = 2.0
"""How long a message may wait. It waits only once seconds of audio have filled the socket's buffers."""


class SendingSession:
    """The SDK's session, whose sending raises `TimeoutError` instead of blocking."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def send_realtime_input(self, **given: Any) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._session.send_realtime_input(**given)

    async def send_client_content(self, **given: Any) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._session.send_client_content(**given)

    async def send_tool_response(self, **given: Any) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._session.send_tool_response(**given)

    async def close(self) -> None:
        await self._session.close()
