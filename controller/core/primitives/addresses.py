"""Checks of hosts, origins and URLs. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")
_SERVER_SCHEMES: Final = ("ws", "wss", "http", "https")


def split_url(url: str) -> SplitResult | None:
    """Split a URL; return None if it or its port can't be read."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def normal_host(name: str) -> str | None:
    """Return a host's name or IPv4 address as it is looked up, in ASCII and lower case; None if invalid."""
    try:
        host = name.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    return host if _HOST.fullmatch(host) else None


def is_loopback(host: str) -> bool:
    """Return whether a name or an address can only mean this machine."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def is_origin(text: str) -> bool:
    """Return whether this is just a scheme and a host, as browsers send them."""
    parts = split_url(text)
    return (
        parts is not None
        and parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and text == f"{parts.scheme}://{parts.netloc}"
    )


def is_server(url: str) -> bool:
    """Return whether a path can be added to this URL, and it contains no secret."""
    parts = split_url(url)
    if parts is None or parts.port == 0:
        return False
    is_bare = url.isprintable() and " " not in url and not (parts.query or parts.fragment or parts.username)
    return is_bare and parts.scheme in _SERVER_SCHEMES and bool(parts.hostname)


def is_private_url(url: str) -> bool:
    """Return whether what is sent to this server can't be read on the way: https, or this machine."""
    parts = split_url(url)
    if parts is None or not is_server(url):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
