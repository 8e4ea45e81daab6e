"""Addresses of clients, and which of them count as one client."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

UNKNOWN_CLIENT: Final = "unknown"
"""The client that all connections without an address count as."""


def one_client(address: str) -> str:
    """Return the client that an address stands for: an IPv6 subscriber has a network of 64 bits.

    Anything that is not an address counts as one unknown client, however it is written.
    """
    ip = plain_address(address)
    if ip is None:
        return UNKNOWN_CLIENT
    return str(ip) if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))


def as_peers(networks: Iterable[str]) -> list[str]:
    """Return the networks, with IPv4 ones also in the form that a dual-stack socket shows."""
    parsed = [ipaddress.ip_network(each) for each in networks]
    mapped = [f"::ffff:{each.network_address}/{96 + each.prefixlen}" for each in parsed if each.version == 4]
    return [*map(str, parsed), *mapped]


def plain_address(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Parse an address; None if it isn't one. An IPv4 client of an IPv6 socket has its IPv4 address."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.version == 6 and ip.ipv4_mapped) or ip
