"""Who may do what: callers' keys with scopes, and what stands in for keys where there are none."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.errors import Forbidden, Unauthorized
from controller.problems import problem
from controller.settings import is_loopback


class KeyScope(StrEnum):
    """What a key opens. `admin` opens everything."""

    START = "start"
    READ = "read"
    STOP = "stop"
    ADMIN = "admin"


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One caller's key: a name for people, the hex SHA-256 of the key itself, and its scopes."""

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: frozenset[KeyScope]


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a keys file.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: it is not a JSON list of keys.
    """
    return msgspec.json.decode(path.read_bytes(), type=tuple[Key, ...])


class Keyring:
    """Checks bearers against the operator's keys. Without any keys everything is open."""

    def __init__(self, keys: Sequence[Key] | None) -> None:
        self._keys = keys

    @property
    def is_open(self) -> bool:
        return self._keys is None

    def check(self, bearer: str | None, scope: KeyScope) -> None:
        """Let the holder of a key with this scope pass.

        Raises:
            Unauthorized: there is no key, or nobody knows it.
            Forbidden: it lacks the scope.
        """
        if self._keys is None:
            return
        key = self._find(bearer) if bearer is not None else None
        if key is None:
            raise Unauthorized("Send a key from PODLINE_KEYS_FILE as `Authorization: Bearer KEY`.")
        if not key.scopes & {scope, KeyScope.ADMIN}:
            raise Forbidden(f"The key {key.name!r} lacks the scope {str(scope)!r}.")

    def _find(self, bearer: str) -> Key | None:
        digest = hashlib.sha256(bearer.encode(errors="surrogateescape")).hexdigest()
        # All keys are compared, so that the time taken says nothing about where one matched.
        matches = [key for key in self._keys or () if hmac.compare_digest(digest, key.sha256)]
        return matches[0] if matches else None


def bearer_of(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


class LoopbackOnly:
    """Middleware for a controller without keys: no web page may reach it from a person's own browser.

    Pages of other sites come with a foreign Origin, and those that turned their own name into our address
    (DNS rebinding) with a foreign Host.
    """

    def __init__(self, app: ASGIApp, public_url: str, public_paths: tuple[str, ...] = ()) -> None:
        """`public_paths` are prefixes of what is open to everybody; "/" stands for itself alone."""
        self._app = app
        self._public_host = urlsplit(public_url).hostname
        self._public_paths = public_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_public(scope["path"]):
            refusal = self._refusal(Headers(scope=scope))
            if refusal is not None:
                await problem(Forbidden(refusal))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_public(self, path: str) -> bool:
        return any(
            path == prefix or (prefix != "/" and path.startswith(prefix)) for prefix in self._public_paths
        )

    def _refusal(self, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if not self._is_ours(urlsplit(f"//{host}").hostname):
            return "Without keys only this machine is served. Set PODLINE_KEYS_FILE to serve others."
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "Pages of other sites may not use a controller without keys. Set PODLINE_KEYS_FILE."
        return None

    def _is_ours(self, name: str | None) -> bool:
        return name is not None and (is_loopback(name) or name == self._public_host)
