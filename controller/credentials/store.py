"""Tokens that bots present to the product store: a JSON Web Token for one session and its user."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import jwt

from controller.core.session import Session
from podline.contract import environment

ISSUER: Final = "podline"
AUDIENCE: Final = "podline-store"
ALGORITHM: Final = "HS256"


class StoreTokens:
    """Signs with the secret that only the store and the controller share."""

    def __init__(self, secret: str, now: Callable[[], datetime]) -> None:
        self._secret = secret
        self._headers = {"kid": key_id(secret)}
        self._now = now

    async def issue(self, session: Session, *, lifetime_seconds: float) -> Mapping[str, str]:
        now = self._now()
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": session.user_id,
            "sid": session.id,
            "jti": session.launch_id,
            "iat": now,
            "exp": now + timedelta(seconds=lifetime_seconds),
        }
        return {environment.CONVEX_TOKEN: jwt.encode(claims, self._secret, ALGORITHM, self._headers)}

    async def aclose(self) -> None:
        """Do nothing: there is no connection to the store."""


def key_id(secret: str) -> str:
    """Return a public name for a secret, so that a store with several knows which one signed."""
    return hashlib.sha256(f"podline-store:{secret}".encode()).hexdigest()[:16]
