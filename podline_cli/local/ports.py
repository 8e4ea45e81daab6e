"""Ports of this machine: whether one can be used, and whether a program answers there."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from podline_cli.errors import CommandError, ExitCode

MOST: Final = 65_535


def check_port(name: str, port: str, remedy: str, others: tuple[str, ...] = ()) -> None:
    """Report a wrong or taken port before anything starts.

    Args:
        name: what sets the port, such as `--port`.
        port: its number.
        remedy: what to type for another one.
        others: ports that are about to be taken by us.

    Raises:
        CommandError: It can't be used.
    """
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= MOST):
        raise CommandError(
            f"{name} is {port!r}: set it to a port number from 1 to {MOST}.", code=ExitCode.USAGE
        )
    if port in others or not is_free(port):
        raise CommandError(
            f"Port {port} can't be used, probably because another program uses it: choose another, such as "
            f"{remedy}"
        )


def is_free(port: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError:
            return False
    return True


async def answers_ready(port: str, path: str) -> bool:
    """Return whether a program at this port answers the path with 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False
    finally:
        writer.close()
