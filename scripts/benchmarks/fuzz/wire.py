"""A client that sends any bytes over a kept connection and reads whole answers."""

from __future__ import annotations

import re
import socket
from typing import Final

PATIENCE_SECONDS: Final = 60.0
"""Only a hang takes this long."""
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class FuzzWire:
    """One connection to a server, reopened whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._unread = b""

    def ask(self, request: bytes, *, is_whole: bool = True) -> int:
        """Send a request and return the status of its answer; 0 where the server only closed.

        After one that is not whole nothing more is sent: the server is not to wait for the rest.
        """
        try:
            self._connection().sendall(request)
            if is_whole:
                return self._answer(has_body=not request.startswith(b"HEAD "))
            self._connection().shutdown(socket.SHUT_WR)
            status = self._answer(has_body=False)
        except (ConnectionError, EOFError):
            status = 0
        self.close()
        return status

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._unread = None, b""

    def _connection(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), PATIENCE_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _answer(self, *, has_body: bool) -> int:
        head, self._unread = self._until(b"\r\n\r\n")
        status = int(head[9:12])
        length = _LENGTH.search(head)
        if length and has_body:
            self._discard(int(length[1]))
        if _CLOSES.search(head) or length is None:
            self.close()
        return status

    def _until(self, end: bytes) -> tuple[bytes, bytes]:
        text = self._unread
        while end not in text:
            text += self._more()
        head, _, rest = text.partition(end)
        return head, rest

    def _discard(self, size: int) -> None:
        while len(self._unread) < size:
            self._unread += self._more()
        self._unread = self._unread[size:]

    def _more(self) -> bytes:
        text = self._connection().recv(65536)
        if not text:
            raise EOFError
        return text
