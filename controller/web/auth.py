"""Callers' keys with their scopes, and what is known about the caller of a start."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec
from starlette.datastructures import Headers

from controller.core.agents import DEFAULT_AGENT
from controller.core.errors import AgentNotFound, Forbidden, Unauthorized
from controller.core.session import ANONYMOUS
from controller.web.errors import UnsupportedMediaType
from podline.contract.agents import NAME_PATTERN


class KeyScope(StrEnum):
    """What a key allows.

    `admin` allows everything; `public_start`, for keys that live in browsers, only what PODLINE_PUBLIC_START
    opens to everybody.
    """

    START = "start"
    PUBLIC_START = "public_start"
    READ = "read"
    STOP = "stop"
    ADMIN = "admin"


_MOST_AGENTS: Final = 1000
AgentPattern = Annotated[str, msgspec.Meta(pattern=rf"^(?:{NAME_PATTERN})\Z")]


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One caller's key: a name for people, the hex SHA-256 of the key itself, its scopes and its agents.

    `agents` are those that it is limited to; None for all.
    """

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: frozenset[KeyScope]
    agents: Annotated[frozenset[AgentPattern], msgspec.Meta(min_length=1, max_length=_MOST_AGENTS)] | None = (
        None
    )

    def may(self, scope: KeyScope) -> bool:
        return bool(self.scopes & {scope, KeyScope.ADMIN})


@dataclass(frozen=True, slots=True)
class AgentAccess:
    """Which agents a request may start, see and stop. To it the others don't exist.

    Attributes:
        agents: their names; None for all.
        usual: the controller's default.
    """

    agents: frozenset[str] | None = None
    usual: str = DEFAULT_AGENT

    def includes(self, agent: str) -> bool:
        return self.agents is None or agent in self.agents

    def covers(self, agents: frozenset[str] | None) -> bool:
        """Return whether the request may know of all of these; None are all that there are."""
        return self.agents is None or (agents is not None and agents <= self.agents)

    @property
    def default(self) -> str:
        """The agent of a request that names none. It may be one that the request can't start."""
        return next(iter(self.agents)) if self.agents is not None and len(self.agents) == 1 else self.usual

    def chosen(self, agent: str | None) -> str:
        """Return the agent to start, given the one that the request names.

        Raises:
            AgentNotFound: it is not one of these.
        """
        chosen = agent or self.default
        if not self.includes(chosen):
            raise AgentNotFound(chosen)
        return chosen


class Identities(Protocol):
    """Verifies the signed identities that vouch for callers' names."""

    def subject(self, token: str, now: float) -> str:
        """Return the name that a signed identity gives its bearer.

        Args:
            token: a JWT.
            now: seconds since 1970.

        Raises:
            Unauthorized: it is not one of ours, or not valid now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Who asks for a session.

    Attributes:
        user_id: the user that a signed identity names; None without one.
        may_name: whether the request itself may name its user.
        is_public: whether the caller is anonymous, and shares a limit with all others at their address.
    """

    user_id: str | None = None
    may_name: bool = False
    is_public: bool = False

    def user(self, asked: str | None, anonymous: str) -> str:
        """Return the session's user.

        Args:
            asked: the name in the request, None if it has none.
            anonymous: the name for an anonymous user.

        Raises:
            Forbidden: the request may not name this user.
        """
        name = None if asked == ANONYMOUS else asked
        if self.may_name:
            return name or anonymous
        if name not in (None, self.user_id):
            raise Forbidden(
                "body.user_id: naming a user needs a key with scope 'start', or a signed identity for them "
                "(PODLINE_IDENTITY_KEYS_FILE). Leave it out to start as an anonymous caller."
            )
        return self.user_id or anonymous


class Gate:
    """Decides who passes: holders of a key or, without keys, anybody on this machine.

    `OwnPagesOnly` ensures that a request comes from this machine, and not from a web page of another site.
    """

    def __init__(self, keys: Sequence[Key] | None, default_agent: str = DEFAULT_AGENT) -> None:
        """Take the keys, None if there are none, and the agent of a request that names none."""
        self._keys = keys
        self._default_agent = default_agent

    @property
    def asks_for_keys(self) -> bool:
        return self._keys is not None

    @property
    def keys(self) -> Sequence[Key]:
        """All keys, as hashes."""
        return self._keys or ()

    def access(self, headers: Headers) -> AgentAccess:
        """Return which agents a request may know of: all, unless its key is limited to some."""
        key = self.find(headers)
        return AgentAccess(None if key is None else key.agents, self._default_agent)

    def check(self, headers: Headers, scope: KeyScope) -> None:
        """Check that a request may do what `scope` says.

        Raises:
            Unauthorized: the key is missing or unknown.
            Forbidden: the key lacks the scope.
        """
        if self._keys is not None:
            insist_on_scope(self.find(headers), scope)

    def find(self, headers: Headers) -> Key | None:
        """Return the request's key if it is one of ours."""
        bearer = bearer_of(headers) or ""
        digest = hashlib.sha256(bearer.encode(errors="surrogateescape")).hexdigest()
        # All keys are compared, so that timing doesn't reveal which one matched.
        matches = [key for key in self._keys or () if hmac.compare_digest(digest, key.sha256)]
        return matches[0] if matches and bearer else None


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a keys file.

    Raises:
        OSError: it cannot be read.
        msgspec.DecodeError: it is not a JSON list of keys.
    """
    return msgspec.json.decode(path.read_bytes(), type=tuple[Key, ...])


def insist_on_scope(key: Key | None, scope: KeyScope) -> None:
    """Raise Unauthorized without a key, Forbidden if it lacks the scope."""
    if key is None:
        raise Unauthorized("Send a key from PODLINE_KEYS_FILE as `Authorization: Bearer KEY`.")
    if not key.may(scope):
        raise Forbidden(f"The key {key.name!r} lacks the scope {str(scope)!r}.")


def bearer_of(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def insist_on_json(headers: Headers) -> None:
    """Raise UnsupportedMediaType if the body is not declared as JSON."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType
