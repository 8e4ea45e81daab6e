"""The addresses of rooms that callers bring, and the hosts that those may be on. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from controller.core.primitives.addresses import normal_host, split_url


@dataclass(frozen=True, slots=True)
class RoomUrl:
    """A room's address, without anything that two programs could read differently."""

    scheme: str
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}{'' if self.port is None else f':{self.port}'}{self.path}"

    def is_on(self, hosts: Collection[str]) -> bool:
        """Return whether its host is listed: by name, with its port if it has one, or below a `*.` domain."""
        if self.port is not None:
            return f"{self.host}:{self.port}" in hosts
        above = self.host.partition(".")[2]
        return self.host in hosts or f"*.{above}" in hosts


def read_room_url(url: str, schemes: Collection[str]) -> RoomUrl | None:
    """Read an address of these schemes; None if it is invalid or has a user, a query or a fragment."""
    if not url.isprintable() or any(char in url for char in " \\@?#%"):
        return None
    if (parts := split_url(url)) is None:
        return None
    port = parts.port
    host = normal_host(parts.hostname or "")
    if host is None or parts.scheme not in schemes or parts.netloc.endswith(":"):
        return None
    return RoomUrl(parts.scheme, host, None if port == 443 else port, parts.path)
