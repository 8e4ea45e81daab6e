"""A client's socket, read message by message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from aiohttp import WSMsgType, web

from sandbox.gemini import wire
from sandbox.gemini.faults import CUT

_LONGEST_CLOSE_REASON: Final = 123
"""Bytes of a sentence in a close frame: RFC 6455, section 5.5. Google cuts its own off as well."""


@dataclass(eq=False)
class ClientLine:
    """The model's end of a client's socket.

    Attributes:
        transport: What the socket writes to.
        answers_pings: Whether the client's pings are answered.
    """

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    answers_pings: bool = True

    async def messages(self) -> AsyncIterator[wire.ClientMessage]:
        """Yield what the client sends, until it leaves.

        Raises:
            ProtocolError: The client has sent something that is no message.
        """
        async for frame in self.socket:
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                yield wire.read_message(frame.data)
            elif frame.type == WSMsgType.PING and self.answers_pings:
                await self.socket.pong(frame.data)

    async def drop(self, code: int, sentence: str) -> None:
        """Cut the connection, or close it with a code and a sentence."""
        if code == CUT:
            self.transport.abort()
        else:
            await self.close(code, sentence)

    async def close(self, code: int, sentence: str) -> None:
        """Close the socket with as much of a sentence as a close frame holds."""
        await self.socket.close(code=code, message=sentence.encode()[:_LONGEST_CLOSE_REASON])
