"""STUN and TURN servers for both ends of a WebRTC call, with credentials for that call only."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class IceServer:
    """One server, in the form of a browser's RTCIceServer."""

    urls: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)

    def as_configuration(self) -> dict[str, Any]:
        """Return it with the browser's field names, without empty fields."""
        named = {"urls": self.urls, "username": self.username, "credential": self.credential}
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class IceServers:
    """The operator's servers.

    Attributes:
        now: returns the time of day.
        urls: of STUN and TURN servers, RFC 7064 and RFC 7065.
        turn_secret: shared with the TURN servers: coturn's `static-auth-secret`.
    """

    now: Callable[[], datetime]
    urls: tuple[str, ...] = ()
    turn_secret: str | None = field(default=None, repr=False)

    def for_session(self, session_id: str, lifetime_seconds: float) -> list[IceServer]:
        """Return the servers, with credentials for one session that TURN servers accept for this long.

        The credentials are those of draft-uberti-behave-turn-rest-00, section 2.2: a name that begins with
        its expiry, and its HMAC-SHA1 under the shared secret.
        """
        until = self.now() + timedelta(seconds=lifetime_seconds)
        return [
            self._with_credentials(url, f"{int(until.timestamp())}:{session_id}")
            if url.startswith("turn") and self.turn_secret
            else IceServer(url)
            for url in self.urls
        ]

    def _with_credentials(self, url: str, username: str) -> IceServer:
        secret = (self.turn_secret or "").encode()
        code = hmac.new(secret, username.encode(), hashlib.sha1)
        return IceServer(url, username, base64.b64encode(code.digest()).decode())
