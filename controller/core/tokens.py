"""Bearer tokens that need no storage: HMACs of their purpose, under the controller's secret."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

_BETWEEN: Final = ","
"""Separates the tokens that a replica shows, one for each secret."""

_REPLICA: Final = "replica"

_BEHIND_ID: Final = "~"
"""Separates a session's id from its token; no id contains it."""


class Signer:
    """Makes and checks tokens. Each kind has its own prefix, so that none passes for another.

    Any of the secrets verifies, and the first signs. A secret can thus be replaced while
    bots and callers hold tokens of the previous one.
    """

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        """`secret` signs and verifies; tokens of the `previous` ones are still accepted."""
        self._ring = (secret, *previous)

    def launch_token(self, launch_id: str) -> str:
        """Return the token with which a bot acts for this launch."""
        return self._ours(f"launch:{launch_id}")[0]

    def session_token(self, session_id: str, launch_id: str) -> str:
        """Return the token with which a caller may make offers to this launch, but not to a later one."""
        return self._ours(_of_session(session_id, launch_id))[0]

    def address_tags(self, address: str) -> tuple[str, ...]:
        """Return tags for a client's address, newest first. Without the secret they don't reveal it."""
        return tuple(each[:16] for each in self._ours(f"address:{address}"))

    def replica_token(self) -> str:
        """Return what shows other controllers of the installation that a request is from one of them.

        It proves each secret of the ring: while a secret is being replaced, a controller that is not yet
        restarted knows only the former one.
        """
        return _BETWEEN.join(self._ours(_REPLICA))

    def is_replica_token(self, token: str) -> bool:
        """Whether the token proves one of our secrets."""
        ours = self._ours(_REPLICA)
        return sum(_is_one_of(each, ours) for each in token.split(_BETWEEN)) > 0

    def is_launch_token(self, token: str, launch_id: str) -> bool:
        return _is_one_of(token, self._ours(f"launch:{launch_id}"))

    def is_session_token(self, token: str, session_id: str, launch_id: str) -> bool:
        return _is_one_of(token, self._ours(_of_session(session_id, launch_id)))

    def _ours(self, purpose: str) -> tuple[str, ...]:
        """Return the MAC of this purpose under each secret, that of the newest first."""
        message = purpose.encode(errors="surrogatepass")
        return tuple(hmac.new(each, message, hashlib.sha256).hexdigest() for each in self._ring)


def with_token(session_id: str, token: str) -> str:
    """Join a session's id and token, for clients that can't send a header of their own."""
    return f"{session_id}{_BEHIND_ID}{token}"


def split_token(asked: str) -> tuple[str, str | None]:
    """Return the bare id, and the token behind it if there is one."""
    session_id, separator, token = asked.partition(_BEHIND_ID)
    return session_id, token if separator else None


def _of_session(session_id: str, launch_id: str) -> str:
    return f"session:{session_id}:{launch_id}"


def _is_one_of(given: str, expected: tuple[str, ...]) -> bool:
    """Compare with all of them, so that timing doesn't reveal which one matched."""
    token = given.encode(errors="surrogatepass")
    return sum(hmac.compare_digest(token, each.encode()) for each in expected) > 0
