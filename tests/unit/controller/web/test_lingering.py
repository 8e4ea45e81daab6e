"""Connections that are closed while their clients still send, or have gone; answers in one piece."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Connection, tuple[str, int]]]:
    """A server that takes one connection, and its address."""
    connection = Connection()
    async with await asyncio.get_running_loop().create_server(lambda: connection, "127.0.0.1", 0) as server:
        yield connection, server.sockets[0].getsockname()


async def test_a_connection_that_its_client_has_reset_is_closed_without_an_error() -> None:
    async with listening() as (connection, address):
        client = socket.create_connection(address)
        transport = await connection.made
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()

        LingeringTransport(transport, lambda: True, 60, asyncio.get_running_loop()).close()

        async with asyncio.timeout(10):
            await connection.lost.wait()


async def received(*, closing: bool) -> list[bytes]:
    """What a client reads, piece by piece, of a head, a body and a later message."""
    async with listening() as (connection, address):
        reader, writer = await asyncio.open_connection(*address)
        transport = LingeringTransport(await connection.made, lambda: False, 60, asyncio.get_running_loop())
        transport.write(b"head ")
        transport.write(b"body")
        waiting = transport.get_write_buffer_size()
        pieces = []
        if not closing:
            pieces.append(await reader.read(100))
            transport.write(b"later")
        transport.close()
        pieces.append(await reader.read(100))
        pieces.append(await reader.read(100))
        writer.close()
        await writer.wait_closed()
    assert waiting == len(b"head body")
    return pieces


async def test_head_and_body_of_an_answer_arrive_together() -> None:
    assert await received(closing=False) == [b"head body", b"later", b""]


async def test_a_connection_that_is_closed_at_once_has_its_answer() -> None:
    assert await received(closing=True) == [b"head body", b""]


async def test_a_long_answer_is_not_held_back_and_one_that_is_given_up_not_sent() -> None:
    async with listening() as (connection, address):
        reader, writer = await asyncio.open_connection(*address)
        made = await connection.made
        transport = LingeringTransport(made, lambda: False, 60, asyncio.get_running_loop())
        transport.write(b"x" * 10_000_000)
        # More than a socket takes at once.
        assert transport.get_write_buffer_size() == made.get_write_buffer_size() > 0  # type: ignore[attr-defined]
        assert len(await reader.readexactly(10_000_000)) == 10_000_000
        transport.write(b"never")
        transport.abort()
        assert await reader.read(100) == b""
        writer.close()
        await writer.wait_closed()
