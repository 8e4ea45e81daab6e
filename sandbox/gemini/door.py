"""The listening socket in front of the model, which can turn clients away before TLS begins."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Any, Final

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger, so that closing sends a reset: socket(7)."""


class Door(socket.socket):
    """Listens on a port of its own.

    Args:
        host: The IPv4 address to listen on.
        port: 0 for any free one.
        turns_away: Asked for each connection, with its address: whether it is reset instead of served.
    """

    def __init__(self, host: str, port: int, turns_away: Callable[[str], bool]) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self._turns_away = turns_away
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind((host, port))

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection.

        Raises:
            ConnectionAbortedError: It was turned away; to asyncio, a client that gave up.
        """
        connection, address = super().accept()
        if self._turns_away(address[0]):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            connection.close()
            raise ConnectionAbortedError
        return connection, address
