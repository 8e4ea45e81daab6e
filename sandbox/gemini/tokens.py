"""Ephemeral tokens: made with the key, and good for some sessions with one model until they expire.

https://ai.google.dev/gemini-api/docs/ephemeral-tokens
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec

from sandbox.gemini.wire import REFUSED, ProtocolError

_PREFIX: Final = "auth_tokens/"
_LONGEST: Final = timedelta(hours=20)


class TokenRequestError(Exception):
    """No token is made; the sentence says why."""


class _Locked(msgspec.Struct, forbid_unknown_fields=True):
    model: str


class _TokenRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What can be asked for. Of fields that can be locked, the sandbox knows the model."""

    uses: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 1
    expire_time: datetime | None = None
    new_session_expire_time: datetime | None = None
    bidi_generate_content_setup: _Locked | None = None
    field_mask: str | None = None


class Token(msgspec.Struct):
    """One token, and how often it may still be used; None if unlimited."""

    uses_left: int | None
    expires: datetime
    admits_until: datetime
    model: str | None


class EphemeralTokens:
    """All tokens that were made and have not expired."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._tokens: dict[str, Token] = {}

    def make(self, body: bytes) -> str:
        """Make a token as asked.

        Raises:
            TokenRequestError: That can't be asked for.
        """
        try:
            asked = msgspec.json.decode(body, type=_TokenRequest)
        except msgspec.MsgspecError as error:
            raise TokenRequestError(f"Invalid JSON payload received. {error}") from error
        locked = asked.bidi_generate_content_setup
        if asked.field_mask not in (None, "model") or (asked.field_mask is None) != (locked is None):
            raise TokenRequestError("The sandbox locks the model alone: set it, and fieldMask to model.")
        now = self._now()
        expires = asked.expire_time or now + timedelta(minutes=30)
        admits_until = asked.new_session_expire_time or now + timedelta(minutes=1)
        if any(each.tzinfo is None or not now < each < now + _LONGEST for each in (expires, admits_until)):
            raise TokenRequestError("Expiration times must be in the future, less than 20 hours away.")
        self._tokens = {name: token for name, token in self._tokens.items() if token.expires > now}
        name = _PREFIX + secrets.token_hex(32)
        self._tokens[name] = Token(
            asked.uses or None, expires, admits_until, locked.model if locked else None
        )
        return name

    def use(self, name: str, *, resumes: bool) -> Token:
        """Let a session begin with a token. One that resumes another is no use of it.

        Raises:
            ProtocolError: There is no such token, or it has expired, or is used up.
        """
        token = self._tokens.get(name)
        now = self._now()
        if token is None or token.expires <= now:
            raise ProtocolError(REFUSED, "Token is not valid, or has expired.")
        if not resumes:
            if token.admits_until <= now:
                raise ProtocolError(REFUSED, "Token no longer starts sessions.")
            if token.uses_left == 0:
                raise ProtocolError(REFUSED, "Token has been used too many times.")
            if token.uses_left is not None:
                token.uses_left -= 1
        return token

    def seconds_left(self, token: Token) -> float:
        return (token.expires - self._now()).total_seconds()
