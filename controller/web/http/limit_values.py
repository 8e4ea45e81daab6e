"""Limits on what a client may send and hold before its key, route or body is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_MORE_FIELDS: Final = 8
_MORE_HEAD_BYTES: Final = 2 * 1024
"""What another controller may add to the header of a request that it passes on: who asks, and its token."""

FILES_OF_OUR_OWN: Final = 64
"""Descriptors that the controller needs besides connections: logs, listeners, its cluster, its store."""

FILES_PER_SESSION: Final = 8
"""A local bot has up to four pipes and files, and any bot up to four connections to us."""

CONNECTIONS_PER_BOT: Final = 4
"""A bot polls its inbox, reports, and answers; one more for a connection that it replaces."""

MOST_CONNECTIONS_OF_A_BOT: Final = 2 * CONNECTIONS_PER_BOT
"""As many can be open when a network fails silently and the bot reconnects."""

PROBES: Final = 32
"""Connections to the bots' listener that don't come from bots."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits on one request and its connection. Sizes are in bytes.

    Attributes:
        head_bytes: all header fields together, trailers included. Nginx allows as much: 4 buffers of 8 KB.
        fields: the number of header fields. Apache's LimitRequestFields is 100.
        url_bytes: nginx and Apache allow 8 KB as well.
        body_bytes: where reading stops. The application answers requests with larger bodies.
        framing_bytes: what a chunked body may have besides its content, beyond `framing_per_byte`.
        framing_per_byte: framing for each byte of content. A chunk of one byte has five.
        pipelined: requests that may wait for their answers on one connection.
        ignored_bytes: how much is read and dropped before the connection is closed.
        head_seconds: from the first byte of a request, or from connecting, until its header is complete.
        body_seconds: from then until its body is complete.
        idle_seconds: how long a connection that has shown a key may have no request. Load balancers keep
            idle connections for a minute, and must not find one closed.
        stranger_idle_seconds: the same for any other.
        stall_seconds: how long an answer may wait in our buffer without getting shorter.
        linger_seconds: how long a client that is still sending may take to read why it is refused.
    """

    head_bytes: int = 32 * 1024
    fields: int = 100
    url_bytes: int = 8 * 1024
    body_bytes: int = 64 * 1024
    framing_bytes: int = 32 * 1024
    framing_per_byte: int = 8
    pipelined: int = 8
    ignored_bytes: int = 256 * 1024
    head_seconds: float = 10
    body_seconds: float = 30
    idle_seconds: float = 75
    stranger_idle_seconds: float = 20
    stall_seconds: float = 30
    linger_seconds: float = 1

    def for_replicas(self) -> HttpLimits:
        """Return the limits for requests that have passed these at another controller."""
        return replace(self, fields=self.fields + _MORE_FIELDS, head_bytes=self.head_bytes + _MORE_HEAD_BYTES)


def most_public_connections(wanted: int, open_files: int | None, capacity: int) -> int:
    """Return how many connections the public listener may have, leaving descriptors for bots and probes.

    Args:
        wanted: the operator's limit.
        open_files: the process's limit of descriptors; None if it has none.
        capacity: the maximum number of concurrent sessions.
    """
    if open_files is None:
        return wanted
    left = open_files - FILES_OF_OUR_OWN - FILES_PER_SESSION * capacity
    return max(1, min(wanted, max(left, open_files // 4)))


def most_bot_connections(open_files: int | None, capacity: int) -> int:
    """Return how many connections the bots' listener may have: all that bots and probes need."""
    needed = CONNECTIONS_PER_BOT * capacity + PROBES
    return needed if open_files is None else max(1, min(needed, open_files // 4))


def most_replica_connections(open_files: int | None, public: int, bots: int) -> int:
    """Return how many connections other controllers may have: as many as callers and bots may have there."""
    needed = public + bots
    return needed if open_files is None else max(1, min(needed, open_files // 4))
