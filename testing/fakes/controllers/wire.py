"""HTTP as bytes on a socket, for clients that keep no rule."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from testing.fakes.controllers.served import PATIENCE_SECONDS, Controller

GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Answer:
    """One answer as it was read. `body` is decoded if it is JSON."""

    status: int
    headers: dict[str, str]
    body: Any


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = 0

    @property
    def reading(self) -> asyncio.ReadTransport:
        """What stops and resumes reading: of a socket, the transport that writes as well."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        return transport

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.sent += len(data)

    async def send_for_ever(self, data: bytes, most: int) -> None:
        """Send until the other side takes no more, or `most` bytes."""
        with contextlib.suppress(ConnectionError):
            while self.sent < most:
                await self.send(data)

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
            }
            body: Any = await self.reader.readexactly(int(headers.get("content-length", "0")))
        if "json" in headers.get("content-type", ""):
            body = json.loads(body)
        return Answer(int(first.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait for the end, and whatever comes before it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                await self.reader.read()
            return True


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Wire]:
    parts = urlsplit(url)
    mine = socket.socket()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    mine.settimeout(0)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.get_running_loop().sock_connect(mine, (parts.hostname, parts.port))
        reader, writer = await asyncio.open_connection(sock=mine)
    writer.transport.set_write_buffer_limits(16 * 1024)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def keep_kernels_from_hoarding(controller: Controller) -> None:
    """Let little be on its way from and to clients, so that what was sent is about what was read."""
    for each in controller.server._sockets.public:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)


def write_keys(directory: Path, **scopes: list[str]) -> Path:
    """A keys file, in which each key is its own name."""
    path = directory / "keys.json"
    keys = [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), "scopes": each}
        for name, each in scopes.items()
    ]
    path.write_text(json.dumps(keys), encoding="utf-8")
    return path
