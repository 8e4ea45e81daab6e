"""Why a container tool refused, with the remedy, from what it printed. Pure."""

from __future__ import annotations

import re
from typing import Final

_UNREACHABLE: Final = (
    r"no such host|network is unreachable|no route to host|i/o timeout|tls handshake timeout"
    r"|connection (timed out|reset)|temporary failure (in name resolution|resolving)|could not resolve"
    r"|failed to establish a new connection|dial tcp .*connection refused|proxyconnect|enotfound|eai_again"
    r"|client\.timeout exceeded"
)
_DOWN: Final = (
    r"cannot connect to the docker daemon|is the docker daemon running|error during connect"
    r"|failed to connect to the docker api|dial unix"
)
_REFUSED: Final = (
    r"manifest (for .* )?(unknown|not found)|name unknown|pull access denied|repository does not exist"
    r"|requested access to the resource is denied"
)
_CAUSES: Final = tuple(
    (re.compile(words, re.IGNORECASE), cause)
    for words, cause in (
        (
            r"no space left on device|disk quota exceeded|not enough free space|enospc",
            "the disk is full: `docker system prune` or `podman system prune` frees what no container uses",
        ),
        (
            r"permission denied.*(docker|daemon|podman).*\.sock",
            "this user may not use Docker: add it to the group docker and log in again, or use sudo",
        ),
        (
            _DOWN,
            "Docker does not answer: start it, or see what `docker info` says",
        ),
        (
            r"toomanyrequests|rate limit",
            "the registry limits anonymous pulls: log in with `docker login`, or try again later",
        ),
        (
            r"x509|certificate (verify failed|signed by unknown)|self[- ]signed certificate",
            "a certificate is not trusted: set SSL_CERT_FILE to your company's certificate bundle",
        ),
        (
            _REFUSED,
            "the registry has no such image or wants a login",
        ),
        (
            r"port is already allocated|address already in use",
            "a port that it needs is taken: stop what listens there",
        ),
        (
            _UNREACHABLE,
            "a server could not be reached: check the network, and HTTPS_PROXY if you use a proxy",
        ),
    )
)


def find_cause(said: str) -> str | None:
    """Return the reason and the remedy for what a tool printed; None if it names none that we know."""
    return next((cause for words, cause in _CAUSES if words.search(said)), None)


def last_line(said: str) -> str:
    """Return the last line that says anything, without the tool's prefix."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (
        re.sub(r"^(error|fatal)[^:]{0,60}:\s*", "", lines[-1], flags=re.IGNORECASE).rstrip(".")
        if lines
        else ""
    )
