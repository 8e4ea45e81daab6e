"""Checks of a controller's URL and of a key to it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from podline_cli.errors import CommandError, ExitCode

DEFAULT_URL: Final = "http://127.0.0.1:7860"
_MOST_CHARACTERS: Final = 2048
_KEY: Final = re.compile(r"[!-~]{1,4096}")


def checked_url(url: str) -> str:
    """Return a controller's URL without a slash at the end."""
    problem = _problem(url)
    if problem is not None:
        raise CommandError(
            f"The controller's URL {problem}: write it as https://HOST or http://HOST:PORT.",
            code=ExitCode.USAGE,
        )
    return url.rstrip("/")


def checked_key(key: str) -> str:
    """Return a key that can be sent in a header. The key itself is in no error."""
    if not _KEY.fullmatch(key):
        raise CommandError(
            "The key is empty or has characters that no key has: copy it again, as one line.",
            code=ExitCode.USAGE,
        )
    return key


def is_loopback(url: str) -> bool:
    """Whether the host of a URL is this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def origin_of(url: str) -> tuple[str, str | None, int | None]:
    """Return what a key is bound to: scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, _port(parts)


def exposes_key(url: str) -> bool:
    """Whether a key sent there crosses a network in the clear."""
    return urlsplit(url).scheme == "http" and not is_loopback(url)


def _problem(url: str) -> str | None:
    if len(url) > _MOST_CHARACTERS:
        return "is too long"
    if not url.isascii() or not url.isprintable() or set(url) & set(' "<>\\^`{|}'):
        return "has characters that no URL has"
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        return "is not valid"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "doesn't begin with http:// or https:// and a host"
    if parts.username is not None or parts.password is not None:
        return "may contain no user or password (a key is set with --key-stdin)"
    return "may have no query or fragment" if parts.query or parts.fragment else None


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
