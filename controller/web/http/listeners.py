"""The controller's sockets, and the listeners that accept their connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Final

from controller.core.errors import ControllerError
from controller.settings import Settings
from controller.web.errors import ConnectionsExhausted
from controller.web.http.connections import Admission, Connections
from controller.web.http.limited_protocol import answer_in_bytes

log = logging.getLogger("podline.listeners")

_BACKLOG: Final = 512
"""Connections that the kernel keeps for us until we accept them."""

_ACCEPTED_AT_ONCE: Final = 16
"""Few enough that a flood at one listener leaves the other its turn."""

_PAUSE_SECONDS: Final = 0.5
"""The pause before accepting again after running out of descriptors; meanwhile connections close."""

_BETWEEN_COMPLAINTS_SECONDS: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Sockets:
    """Sockets that are bound and not yet listening."""

    public: list[socket.socket]
    bots: list[socket.socket]
    metrics: list[socket.socket]
    replicas: list[socket.socket]

    def ports(self) -> dict[str, int]:
        """The port of each listener, by name."""
        named = {
            "public": self.public,
            "bots": self.bots,
            "metrics": self.metrics,
            "replicas": self.replicas,
        }
        return {name: sockets[0].getsockname()[1] for name, sockets in named.items() if sockets}


def bind(settings: Settings) -> Sockets:
    """Bind the ports of all listeners.

    Raises:
        OSError: one of them is taken, or its address is not this machine's.
    """
    listeners, bots_port = settings.listeners, settings.bots_port_wanted
    host = listeners.host
    with ExitStack() as taken:

        def take(host: str, port: int) -> list[socket.socket]:
            sockets = _bind(host, port)
            for each in sockets:
                taken.callback(each.close)
            return sockets

        sockets = Sockets(
            public=take(host, listeners.port),
            bots=take(_LOOPBACK, 0) if bots_port is None else take(host, bots_port),
            metrics=[] if listeners.metrics_port is None else take(host, listeners.metrics_port),
            replicas=[] if settings.replicas.address is None else take(host, settings.replicas.port),
        )
        taken.pop_all()
        return sockets


def with_bots_port(settings: Settings, sockets: Sockets) -> Settings:
    """Return the settings with the bots' port, and with its URL if any free port would do."""
    port = sockets.ports()["bots"]
    url = settings.listeners.controller_url
    if url is None and settings.bots_port_wanted is None:
        url = f"http://{_LOOPBACK}:{port}"
    return settings.with_bots_at(port, url)


def _bind(host: str, port: int) -> list[socket.socket]:
    """Bind a socket for each address of a host name."""
    sockets = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(addresses):
            sockets.append(each := socket.socket(family, kind, protocol))
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.settimeout(0)
            each.bind(address)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, f"{error.strerror} ('{host}', {port})") from error
    except OSError as error:
        for each in sockets:
            each.close()
        error.strerror = f"{error.strerror} ('{host}', {port})"
        raise
    return sockets


class Complaints:
    """Logs that connections can't be accepted, at most once a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: float | None = None

    def complain(self, listener: str, error: OSError) -> None:
        now = self._monotonic()
        if self._last is None or now - self._last >= _BETWEEN_COMPLAINTS_SECONDS:
            self._last = now
            log.error("connections not accepted", extra={"listener": listener, "error": str(error)})


class SocketListener:
    """Accepts the connections of its sockets, as many as `connections` admits."""

    def __init__(
        self,
        name: str,
        sockets: Sequence[socket.socket],
        connections: Connections,
        protocol: Callable[[Admission], asyncio.Protocol],
        complaints: Complaints,
        on_refusal: Callable[[str], None],
        make_room: Callable[[], bool],
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            name: for the log.
            sockets: bound, one for each address.
            connections: how many there may be.
            protocol: makes each connection's protocol.
            complaints: logs that none can be accepted.
            on_refusal: called with the code of each refusal.
            make_room: closes a connection that can be spared, and returns whether there was one.
        """
        self._name = name
        self._sockets = sockets
        self._connections = connections
        self._protocol = protocol
        self._complaints = complaints
        self._on_refusal = on_refusal
        self._make_room = make_room
        self._connecting: set[asyncio.Task[None]] = set()
        self._is_open = False

    def open(self) -> None:
        self._is_open = True
        for each in self._sockets:
            each.listen(_BACKLOG)
            self._resume(each)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            for each in self._sockets:
                asyncio.get_running_loop().remove_reader(each)
                each.close()

    async def wait_closed(self) -> None:
        """Return at once: nothing is left to do."""

    def _resume(self, listening: socket.socket) -> None:
        if self._is_open:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # The socket stays readable: without a pause we would do nothing else.
                self._complaints.complain(self._name, error)
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(_PAUSE_SECONDS, self._resume, listening)
                return
            connection.settimeout(0)
            self._receive(connection, address[0])

    def _receive(self, connection: socket.socket, address: str) -> None:
        try:
            admission = self._admit(address)
        except ControllerError as refusal:
            self._on_refusal(refusal.code)
            _turn_away(connection, answer_in_bytes(refusal))
            return
        task = asyncio.get_running_loop().create_task(self._connect(connection, admission))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def _admit(self, address: str) -> Admission:
        try:
            return self._connections.admit(address)
        except ConnectionsExhausted:
            if not self._make_room():
                raise
            return self._connections.admit(address)

    async def _connect(self, connection: socket.socket, admission: Admission) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self._protocol(admission), connection)
        except OSError:
            admission.release()
            connection.close()


def _turn_away(connection: socket.socket, answer: bytes) -> None:
    """Send as much of the answer as is possible without waiting."""
    with connection, suppress(OSError):
        connection.send(answer)
        connection.shutdown(socket.SHUT_WR)
        # Closing with unread data would send a reset, which may overtake the answer.
        connection.recv(65536)
