"""One answer on its way to the client: piece by piece, with what was ordered to go wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from sandbox.openai.orders import OpenAICut, OpenAIMisbehaviour, OpenAIStall, Piece
from sandbox.openai.record import OpenAIRecord


class ConnectionCutError(Exception):
    """The connection was broken as ordered."""


class Delivery:
    """Sends one answer."""

    def __init__(
        self,
        request: web.Request,
        order: OpenAIMisbehaviour | None,
        record: OpenAIRecord,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.order = order
        self.record = record
        self._request = request
        self._sleep = sleep
        self._answer = web.StreamResponse()
        self._has_sent = False

    async def begin(self, content_type: str) -> None:
        """Send the headers."""
        self._answer.content_type = content_type
        self.record.status = self._answer.status
        await self._answer.prepare(self._request)
        await self.reach("headers")

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        await self._answer.write(data)
        if not self._has_sent:
            self._has_sent = True
            await self.reach("first")

    async def end(self) -> web.StreamResponse:
        """Send the end of the body."""
        await self._answer.write_eof()
        return self._answer

    async def send_json(self, body: Any) -> web.StreamResponse:
        """Send an answer that is one JSON document, in two pieces."""
        return await self.send_whole(msgspec.json.encode(body), "application/json")

    async def send_whole(self, data: bytes, content_type: str) -> web.StreamResponse:
        """Send an answer that is there as a whole, in two pieces."""
        await self.begin(content_type)
        half = len(data) // 2
        await self.send(data[:half])
        await self.send(data[half:])
        return await self.end()

    async def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        await self._sleep(seconds)

    async def reach(self, piece: Piece) -> None:
        """Do what was ordered for this moment.

        Raises:
            ConnectionCutError: The connection is no more.
        """
        match self.order:
            case OpenAIStall(after=after, seconds=seconds) if after == piece:
                if seconds is None:
                    await asyncio.get_running_loop().create_future()
                else:
                    await self._sleep(seconds)
            case OpenAICut(after=after) if after == piece:
                if self._request.transport is not None:
                    self._request.transport.abort()
                raise ConnectionCutError
            case _:
                pass
