"""Counts of one listener's connections: all, those of each address without a key, those of each bot."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Sequence

from controller.core.errors import ControllerError
from controller.web.clients import one_client, plain_address
from controller.web.errors import ConnectionsExhausted, TooManyConnections


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
            most: how many connections there may be at a time.
            most_per_address: how many of one address may be without a valid key; None for no limit.
            trusted: networks of proxies. Many clients share a proxy, so only the total limit applies to them.
            most_of_one: how many one identified client may have; None for no limit.
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
            ConnectionsExhausted: the total limit is reached.
            TooManyConnections: this address has reached its limit.
        """
        ip = plain_address(address)
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
        """Count a connection towards an identified client.

        Raises:
            TooManyConnections: that client has reached its limit.
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
    """One counted connection."""

    def __init__(self, connections: Connections, client: str, *, is_trusted: bool) -> None:
        self._connections = connections
        self._client = client
        self._is_open = True
        self._whom: str | None = None
        self.is_trusted = is_trusted
        self.is_stranger = not is_trusted

    @property
    def is_known(self) -> bool:
        """Whether a request on it has identified its client."""
        return self._whom is not None

    @property
    def is_open(self) -> bool:
        """Whether it still counts."""
        return self._is_open

    def identify(self, whom: str) -> None:
        """A request on it showed a valid key: it no longer counts towards its address.

        Raises:
            TooManyConnections: the key's holder has reached its limit.
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


def _take_one(counted: Counter[str], key: str) -> None:
    counted[key] -= 1
    if counted[key] <= 0:
        del counted[key]
