"""The connections of one listener, counted: all, those of each address without a key, those of each bot."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from controller.core.errors import ControllerError
from controller.web.http.errors import ConnectionsExhausted, TooManyConnections

UNKNOWN_CLIENT: Final = "unknown"
"""The one client that stands for all without an address."""


class Connections:
    """Admits connections up to a total, and up to a number for each address."""

    def __init__(
        self,
        most: int,
        most_per_address: int | None = None,
        trusted: Sequence[str] = (),
        most_of_one: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            most: connections at one time.
            most_per_address: of one address, among those that have shown no valid key; None for no limit.
            trusted: proxies, as networks. Behind one are many clients, so they have the total limit only.
            most_of_one: of one who has shown who they are; None for no limit.
        """
        self._most = most
        self._most_per_address = most_per_address
        self._trusted = [ipaddress.ip_network(each) for each in trusted]
        self._most_of_one = most_of_one
        self._total = 0
        self._known: Counter[str] = Counter()
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

    def recognise(self, whom: str) -> None:
        """Count a connection towards one of ours.

        Raises:
            TooManyConnections: they have as many as they may have.
        """
        if self._most_of_one is not None and self._known[whom] >= self._most_of_one:
            raise TooManyConnections.of_bot(self._most_of_one)
        self._known[whom] += 1

    def forget_known(self, whom: str) -> None:
        _take_one(self._known, whom)

    def forget_stranger(self, client: str) -> None:
        _take_one(self._strangers, client)

    def forget(self) -> None:
        self._total -= 1


class Admission:
    """One connection as it is counted."""

    def __init__(self, connections: Connections, client: str, *, is_trusted: bool) -> None:
        self._connections = connections
        self._client = client
        self._is_open = True
        self._whom: str | None = None
        self.is_trusted = is_trusted
        self.is_stranger = not is_trusted

    @property
    def is_known(self) -> bool:
        """Whether a request on it showed who its client is."""
        return self._whom is not None

    def identify(self, whom: str) -> None:
        """A request on it showed a valid key: it no longer counts towards its address.

        Raises:
            TooManyConnections: the holder has as many as it may have.
        """
        if self._whom is None:
            self._connections.recognise(whom)
            self._whom = whom
            self._leave_address()

    def release(self) -> None:
        """It is closed."""
        if self._is_open:
            self._is_open = False
            self._leave_address()
            if self._whom is not None:
                self._connections.forget_known(self._whom)
            self._connections.forget()

    def _leave_address(self) -> None:
        if self.is_stranger:
            self.is_stranger = False
            self._connections.forget_stranger(self._client)


def one_client(address: str) -> str:
    """Return the client that an address stands for: an IPv6 subscriber has a network of 64 bits.

    Anything that is not an address counts as one unknown client, however it is written.
    """
    ip = _plain(address)
    if ip is None:
        return UNKNOWN_CLIENT
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def as_peers(networks: Iterable[str]) -> list[str]:
    """Return the networks, and IPv4 ones also as a dual-stack socket shows their addresses."""
    parsed = [ipaddress.ip_network(each) for each in networks]
    mapped = [f"::ffff:{each.network_address}/{96 + each.prefixlen}" for each in parsed if each.version == 4]
    return [*map(str, parsed), *mapped]


def _take_one(counted: Counter[str], key: str) -> None:
    counted[key] -= 1
    if counted[key] <= 0:
        del counted[key]


def _plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; an IPv4 client of an IPv6 socket by its own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.version == 6 and ip.ipv4_mapped) or ip
