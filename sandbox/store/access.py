"""Who may ask the store for what: bearers that a controller has signed, for one session and its user each.

Written out, as the rest of the sandbox is: the controller's tokens are not read by what has made them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec

_ISSUER: Final = "podline"
_AUDIENCE: Final = "podline-store"
_LONGEST_BEARER: Final = 4096
_LEEWAY_SECONDS: Final = 60
"""How far the controller's clock may be from this one."""

_Moment = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class AccessError(Exception):
    """The request is not served; the sentence says why."""

    def __init__(self, status: Literal[401, 403], sentence: str) -> None:
        super().__init__(sentence)
        self.status: Final = status


class Bearer(msgspec.Struct, frozen=True):
    """What a token says: `sub` is the user, `sid` the session."""

    iss: str
    aud: str
    sub: str
    sid: str
    iat: _Moment
    exp: _Moment

    def check(self, user_id: str | None, session_id: str | None) -> None:
        """Allow a request for this user and session; None if it names none.

        Raises:
            AccessError: It is about another.
        """
        if user_id is not None and user_id != self.sub:
            raise AccessError(403, "This token is for another user.")
        if session_id is not None and session_id != self.sid:
            raise AccessError(403, "This token is for another session.")


class _Header(msgspec.Struct):
    alg: Literal["HS256"]
    kid: str


class StoreAccess:
    """Knows the secrets that controllers sign with. Without any, everybody may request anything."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = {_key_id(secret): secret.encode() for secret in secrets}

    def bearer(self, authorization: str | None, now: float) -> Bearer | None:
        """What an Authorization header shows; None where everybody may ask.

        Raises:
            AccessError: It is missing, not one of ours, or has expired.
        """
        if not self._secrets:
            return None
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.isascii() or len(token) > _LONGEST_BEARER:
            raise AccessError(401, "The store wants a bearer token of the controller's.")
        bearer = self._signed(token.strip())
        if bearer.iss != _ISSUER or bearer.aud != _AUDIENCE:
            raise AccessError(401, "The token is not for this store.")
        if bearer.exp + _LEEWAY_SECONDS <= now:
            raise AccessError(401, "The token has expired.")
        if bearer.iat - _LEEWAY_SECONDS > now:
            raise AccessError(401, "The token is not valid yet.")
        return bearer

    def _signed(self, token: str) -> Bearer:
        """What a token says, once it is known who has signed it."""
        head, _, rest = token.partition(".")
        claims, _, signature = rest.partition(".")
        try:
            kid = msgspec.json.decode(_decoded(head), type=_Header).kid
            secret = self._secrets[kid]
            expected = hmac.new(secret, f"{head}.{claims}".encode(), hashlib.sha256).digest()
            if hmac.compare_digest(_decoded(signature), expected):
                return msgspec.json.decode(_decoded(claims), type=Bearer)
        except (KeyError, ValueError, RecursionError, binascii.Error, msgspec.MsgspecError):
            pass  # reported below; a guesser learns no more than that
        raise AccessError(401, "The token is not signed with a secret that the store knows.")


def _key_id(secret: str) -> str:
    return hashlib.sha256(f"podline-store:{secret}".encode()).hexdigest()[:16]


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
