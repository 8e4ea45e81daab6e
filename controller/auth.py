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

from controller.errors import Forbidden, Unauthorized, UnsupportedMediaType
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


class Gate:
    """Decides who passes: holders of a key, or, where there are no keys, whoever sits at this machine."""

    def __init__(self, keys: Sequence[Key] | None, origins: Sequence[str] = ()) -> None:
        """`origins` are those of other sites whose pages may use a controller without keys."""
        self._keys = keys
        self._origins = origins

    @property
    def asks_for_keys(self) -> bool:
        return self._keys is not None

    def check(self, headers: Headers, scope: KeyScope) -> None:
        """Let a request pass that may do what `scope` says.

        Raises:
            Unauthorized: there is no key, or nobody knows it.
            Forbidden: the key lacks the scope; without keys, the request may come from a web page.
        """
        if self._keys is None:
            self._check_local(headers)
        else:
            _check_scope(self._find(self._keys, bearer_of(headers)), scope)

    def knows(self, headers: Headers) -> bool:
        """Whether the request holds any of the keys."""
        bearer = bearer_of(headers)
        return bearer is not None and self._find(self._keys or (), bearer) is not None

    @staticmethod
    def _find(keys: Sequence[Key], bearer: str | None) -> Key | None:
        digest = hashlib.sha256((bearer or "").encode(errors="surrogateescape")).hexdigest()
        # All keys are compared, so that the time taken says nothing about where one matched.
        matches = [key for key in keys if hmac.compare_digest(digest, key.sha256)]
        return matches[0] if matches and bearer else None

    def _check_local(self, headers: Headers) -> None:
        """Keep web pages out of a person's own controller.

        Pages of other sites come with a foreign Origin, and those that turned their own name into our
        address (DNS rebinding) with a foreign Host.
        """
        host = headers.get("host", "")
        name = _host_name(host)
        if name is None or not is_loopback(name):
            raise Forbidden(
                "Without keys only this machine is served. Set PODLINE_KEYS_FILE to serve others."
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins and origin.partition("://")[2] != host:
            raise Forbidden(
                "Pages of other sites may not use a controller without keys. "
                "List theirs in PODLINE_CORS_ORIGINS, or set PODLINE_KEYS_FILE."
            )


def bearer_of(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def insist_on_json(headers: Headers) -> None:
    """Raises UnsupportedMediaType where the body does not say that it is JSON."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType


def _check_scope(key: Key | None, scope: KeyScope) -> None:
    if key is None:
        raise Unauthorized("Send a key from PODLINE_KEYS_FILE as `Authorization: Bearer KEY`.")
    if not key.scopes & {scope, KeyScope.ADMIN}:
        raise Forbidden(f"The key {key.name!r} lacks the scope {str(scope)!r}.")


def _host_name(host: str) -> str | None:
    """The name in a Host header, without its port; None for one that cannot be read."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
