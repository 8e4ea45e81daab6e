"""Keys of callers, by their plain text, and identities that a web app signs."""

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import jwt

from controller.core.session import Session
from controller.core.tokens import Signer
from controller.web.auth import Key, KeyScope
from controller.web.identity import IdentityKey, SignedIdentities

IDENTITY_SECRET = b"what the web app signs identities with"
ISSUER, AUDIENCE = "https://shop.example.com", "podline"
IDENTITIES = SignedIdentities(
    keys=[IdentityKey(kid=None, algorithms=("HS256",), material=IDENTITY_SECRET)],
    issuer=ISSUER,
    audience=AUDIENCE,
)


def key(name: str, *scopes: str, text: str | None = None) -> Key:
    """A key that reads as its name, if it has no text of its own."""
    digest = hashlib.sha256((text or name).encode()).hexdigest()
    return Key(name, digest, frozenset(map(KeyScope, scopes)))


KEYS = (
    key("starter", "start"),
    key("browser", "public_start"),
    key("reader", "read"),
    key("stopper", "stop"),
    key("boss", "admin"),
)


def write_keys(directory: Path, *keys: Key) -> str:
    """Write them as an operator does, and return where: the value of PODLINE_KEYS_FILE."""
    file = directory / "keys.json"
    written = [{"name": each.name, "sha256": each.sha256, "scopes": sorted(each.scopes)} for each in keys]
    file.write_text(json.dumps(written))
    return str(file)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def identity(sub: object, now: float, *, secret: Any = IDENTITY_SECRET, **changes: Any) -> str:
    """A JWT for this user, valid for five minutes; a claim that is changed to None is left out."""
    algorithm, headers = changes.pop("algorithm", "HS256"), changes.pop("headers", None)
    claims = {"sub": sub, "iat": now, "exp": now + 300, "iss": ISSUER, "aud": AUDIENCE} | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm, headers=headers)


async def offer_to_bot(client: httpx.AsyncClient, session: Session, token: str, signer: Signer) -> int:
    """Offer a connection, and be the bot that takes whatever offer reaches it; the status for the caller."""
    offer = {"sdp": "v=0", "type": "offer"}
    inbox, as_bot = (
        f"/internal/launches/{session.launch_id}/inbox",
        bearer(signer.launch_token(session.launch_id)),
    )
    offering = asyncio.create_task(
        client.post(f"/sessions/{session.id}/api/offer", json=offer, headers=bearer(token))
    )
    polling = asyncio.create_task(client.get(inbox, headers=as_bot))
    await asyncio.wait((offering, polling), return_when=asyncio.FIRST_COMPLETED)
    if polling.done():
        for message in polling.result().json()["messages"]:
            await client.post(f"{inbox}/{message['id']}", json={"body": {}}, headers=as_bot)
    polling.cancel()
    return (await offering).status_code
