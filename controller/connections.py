"""The connections of one listener, counted: all, those of an address without a key, those of a bot."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from controller.errors import ConnectionsExhausted, ControllerError, TooManyConnections


class Connections:
    """Admits connections up to a total, and up to a number for each address."""

    def __init__(self, most: int, most_per_address: int | None = None, trusted: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            most: connections at one time.
            most_per_address: of one address, among those that have shown no valid key; None for no limit.
            trusted: proxies, as networks. Behind one are many clients, so they have the total limit only.
        """
        self._most = most
        self._most_per_address = most_per_address
        self._trusted = [ipaddress.ip_network(each) for each in trusted]
        self._total = 0
        self._strangers: Counter[str] = Counter()

    def admit(self, address: str) -> Admission:
        """Count a connection.

        Raises:
            ConnectionsExhausted: there are as many as there may be.
            TooManyConnections: this address has as many as it may have.
        """
        ip = _plain(address)
        is_trusted = ip is not None and any(ip in network for network in self._trusted)
        client = one_client(address)
        if (refusal := self._refusal(client, is_trusted=is_trusted)) is not None:
            raise refusal
        self._total += 1
        if not is_trusted:
            self._strangers[client] += 1
        return Admission(self, client, is_trusted=is_trusted)

    def _refusal(self, client: str, *, is_trusted: bool) -> ControllerError | None:
        limit = self._most_per_address
        if not is_trusted and limit is not None and self._strangers[client] >= limit:
            return TooManyConnections(limit)
        return ConnectionsExhausted() if self.is_full() else None

    def is_full(self) -> bool:
        return self._total >= self._most

    def forget_stranger(self, client: str) -> None:
        self._strangers[client] -= 1
        if self._strangers[client] <= 0:
            del self._strangers[client]

    def forget(self) -> None:
        self._total -= 1


class Admission:
    """One connection as it is counted."""

    def __init__(self, connections: Connections, client: str, *, is_trusted: bool) -> None:
        self._connections = connections
        self._client = client
        self._is_open = True
        self.is_trusted = is_trusted
        self.is_stranger = not is_trusted

    def identify(self) -> None:
        """A request on it showed a valid key: it no longer counts towards its address."""
        if self.is_stranger:
            self.is_stranger = False
            self._connections.forget_stranger(self._client)

    def release(self) -> None:
        """It is closed."""
        if self._is_open:
            self._is_open = False
            self.identify()
            self._connections.forget()


class Connection(Protocol):
    """One that may be closed by us."""

    def give_up(self) -> None:
        """Close it at once."""
        ...


class Shares:
    """The connections of each bot, by its launch. Where one opens more than its share, its oldest goes.

    A refusal would hit a bot whose network breaks connections without a word, too.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, list[Connection]] = {}

    def add(self, launch_id: str, connection: Connection) -> None:
        held = self._of.setdefault(launch_id, [])
        held.append(connection)
        if len(held) > self._most:
            held.pop(0).give_up()

    def remove(self, launch_id: str, connection: Connection) -> None:
        """Forget a connection that is closed; one that had to go is forgotten already."""
        held = self._of.get(launch_id, [])
        if connection in held:
            held.remove(connection)
            if not held:
                del self._of[launch_id]


def one_client(address: str) -> str:
    """Whom an address stands for: with IPv6 a subscriber has a network of 64 bits to choose from."""
    ip = _plain(address)
    if ip is None:
        return address
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; an IPv4 client of an IPv6 socket by its own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.version == 6 and ip.ipv4_mapped) or ip
