"""Connections that are closed while their clients still send, or have gone."""

from __future__ import annotations

import asyncio
import socket
import struct

from controller.web.http.lingering import LingeringTransport

RESET = struct.pack("ii", 1, 0)
"""Close without a goodbye (SO_LINGER)."""


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.BaseTransport] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.set_result(transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.lost.set()


async def test_a_connection_that_its_client_has_reset_is_closed_without_an_error() -> None:
    loop = asyncio.get_running_loop()
    connection = Connection()
    server = await loop.create_server(lambda: connection, "127.0.0.1", 0)
    async with server:
        client = socket.create_connection(server.sockets[0].getsockname())
        transport = await connection.made
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()

        LingeringTransport(transport, lambda: True, 60, loop).close()

        async with asyncio.timeout(10):
            await connection.lost.wait()
