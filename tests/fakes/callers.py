"""Keys of callers, by their plain text, and identities that a web app signs."""

import hashlib
from typing import Any

import jwt

from controller.auth import Key, KeyScope
from controller.identity import IdentityKey, SignedIdentities

IDENTITY_SECRET = b"what the web app signs identities with"
ISSUER, AUDIENCE = "https://shop.example.com", "podline"
IDENTITIES = SignedIdentities(
    keys=[IdentityKey(kid=None, algorithms=("HS256",), material=IDENTITY_SECRET)],
    issuer=ISSUER,
    audience=AUDIENCE,
)


def key(name: str, *scopes: str) -> Key:
    """A key that reads as its name."""
    return Key(name, hashlib.sha256(name.encode()).hexdigest(), frozenset(map(KeyScope, scopes)))


KEYS = (
    key("starter", "start"),
    key("browser", "public_start"),
    key("reader", "read"),
    key("stopper", "stop"),
    key("boss", "admin"),
)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def identity(sub: object, now: float, *, secret: Any = IDENTITY_SECRET, **changes: Any) -> str:
    """A JWT for this user, valid for five minutes; a claim that is changed to None is left out."""
    algorithm, headers = changes.pop("algorithm", "HS256"), changes.pop("headers", None)
    claims = {"sub": sub, "iat": now, "exp": now + 300, "iss": ISSUER, "aud": AUDIENCE} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)
