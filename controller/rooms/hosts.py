"""Hosts that a brought room may be on, so that nobody sends a bot with its token elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from controller.core.addresses import normal_host, split_url


@dataclass(frozen=True, slots=True)
class RoomUrl:
    """A room's address with nothing in it that two readers could take for different things."""

    scheme: str
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{'' if self.port is None else f':{self.port}'}{self.path}"

    def is_on(self, hosts: Collection[str]) -> bool:
        """Whether its host is listed: by its name, with its port where it has one, or below a `*.` domain."""
        if self.port is not None:
            return f"{self.host}:{self.port}" in hosts
        above = self.host.partition(".")[2]
        return self.host in hosts or f"*.{above}" in hosts


def read_room_url(url: str, schemes: Collection[str]) -> RoomUrl | None:
    """Read an address of these schemes; None where it is none, or has a user, a query or a fragment in it."""
    if not url.isprintable() or any(char in url for char in " \\@?#%"):
        return None
    if (parts := split_url(url)) is None:
        return None
    port = parts.port
    host = normal_host(parts.hostname or "")
    if host is None or parts.scheme not in schemes or parts.netloc.endswith(":"):
        return None
    return RoomUrl(parts.scheme, host, None if port == 443 else port, parts.path)
