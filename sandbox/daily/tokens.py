"""Meeting tokens: JSON Web Tokens signed with the domain's API key, with Daily's short names.

https://docs.daily.co/docs/guides/privacy-and-security/self-signing-tokens
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any, Final

import msgspec

from sandbox.daily.refusals import invalid
from sandbox.daily.requests import TokenProperties

_HEADER: Final = {"alg": "HS256", "typ": "JWT"}
_SHORT_NAMES: Final = {
    "room_name": "r",
    "is_owner": "o",
    "nbf": "nbf",
    "exp": "exp",
    "eject_at_token_exp": "ejt",
    "eject_after_elapsed": "eje",
    "user_name": "u",
    "user_id": "ud",
    "permissions": "p",
}
_LONG_NAMES: Final = {short: long for long, short in _SHORT_NAMES.items()}


def make_token(properties: TokenProperties, key: str, domain_id: str, now: float) -> str:
    """A signed token that carries these properties."""
    claims = {_SHORT_NAMES[name]: value for name, value in msgspec.to_builtins(properties).items()}
    signed = f"{_encode(_HEADER)}.{_encode({**claims, 'd': domain_id, 'iat': int(now)})}"
    return f"{signed}.{_signature(signed, key)}"


def read_token(token: str, key: str, now: float) -> dict[str, Any]:
    """The properties that a token carries, by their long names.

    Raises:
        Refusal: It is not one of ours, has expired, or is not valid yet.
    """
    signed, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(signed, key).encode()):
        raise invalid("the token is not signed with this domain's key")
    try:
        claims = _decode(signed.partition(".")[2])
    except (binascii.Error, msgspec.DecodeError) as error:
        raise invalid("the token cannot be read") from error
    if claims.get("exp", now + 1) <= now:
        raise invalid("the token has expired")
    if claims.get("nbf", now) > now:
        raise invalid("the token is not valid yet")
    return {_LONG_NAMES[name]: value for name, value in claims.items() if name in _LONG_NAMES}


def _signature(signed: str, key: str) -> str:
    return _base64(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())


def _encode(part: dict[str, Any]) -> str:
    return _base64(msgspec.json.encode(part))


def _decode(part: str) -> dict[str, Any]:
    padded = part + "=" * (-len(part) % 4)
    return msgspec.json.decode(base64.urlsafe_b64decode(padded), type=dict[str, Any])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
