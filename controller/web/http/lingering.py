"""A transport that lets a client read its answer in one piece, and before the connection is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

_MOST_GATHERED: Final = 64 * 1024
"""Bytes that are held back, until the event loop's next turn at most."""


class LingeringTransport(asyncio.Transport):
    """Does what `transport` does, but closes in two steps if the client is still sending.

    A connection that is closed with unread data is reset, and a reset may overtake the answer on its way.

    What is written in one turn of the event loop is sent at once. Uvicorn writes an answer's head and body
    one after the other, and a client that closes once it has the head loses the body: `pipecat cloud agent
    deployments` does.
    """

    def __init__(
        self,
        transport: asyncio.BaseTransport,
        is_receiving: Callable[[], bool],
        linger_seconds: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__()
        self._transport = cast("asyncio.Transport", transport)
        self._is_receiving = is_receiving
        self._linger_seconds = linger_seconds
        self._loop = loop
        self._is_closing = False
        self._gathered = bytearray()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing():
            return
        self._send_gathered()
        if not self._is_receiving():
            self._transport.close()
            return
        self._is_closing = True
        try:
            self._transport.write_eof()
        except OSError:
            # The client has reset the connection, and nobody reads the answer.
            self._transport.close()
        else:
            self._loop.call_later(self._linger_seconds, self._transport.close)

    def abort(self) -> None:
        self._gathered.clear()
        self._transport.abort()

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.is_closing():
            return
        if not self._gathered:
            self._loop.call_soon(self._send_gathered)
        self._gathered += data
        if len(self._gathered) >= _MOST_GATHERED:
            self._send_gathered()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._gathered)

    def _send_gathered(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._transport.write(gathered)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()
