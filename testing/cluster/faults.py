"""What can go wrong between a client and the apiserver, for the fault proxy to do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ProxiedRequest:
    """A request, as far as faults are chosen by it."""

    method: str
    path: str
    query: Mapping[str, str]

    @property
    def watching(self) -> bool:
        return self.query.get("watch") in ("1", "true")

    @property
    def resource(self) -> str:
        """Such as `jobs` or `pods/log`; for what is no resource, such as `/readyz`, its path."""
        words = self._words()
        return "/".join([*words[:1], *words[2:3]]) or self.path

    @property
    def name(self) -> str:
        """The object's name, if it is about one."""
        return "".join(self._words()[1:2])

    def _words(self) -> list[str]:
        """Resource, name, subresource; as many as there are."""
        words = self.path.strip("/").split("/")
        words = words[{"api": 2, "apis": 3}.get(words[0], len(words)) :]
        return words[2:] if len(words) > 2 and words[0] == "namespaces" else words


@dataclass(frozen=True)
class Refuse:
    """The apiserver answers with an error."""

    status: int
    reason: str = ""
    message: str = "refused by a test"
    retry_after: int | None = None
    """Seconds, as a header."""

    def body(self) -> dict[str, Any]:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.status,
        }


@dataclass(frozen=True)
class ErrorEvent:
    """A watch is answered with 200 and one event, an error: how a version that is too old is refused."""

    status: int = 410
    reason: str = "Expired"
    message: str = "too old resource version: 1 (2)"

    def body(self) -> dict[str, Any]:
        return {"type": "ERROR", "object": Refuse(self.status, self.reason, self.message).body()}


@dataclass(frozen=True)
class ResetBefore:
    """The connection breaks, and the apiserver never hears of the request."""


@dataclass(frozen=True)
class ResetAfter:
    """The apiserver carries the request out, then the connection breaks: the client never learns."""


@dataclass(frozen=True)
class Delay:
    """The request is passed on, later."""

    seconds: float


@dataclass(frozen=True, eq=False)
class Hold:
    """The request is passed on once a test lets it go."""

    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class HalfOpen:
    """Nothing comes, on a connection that stays open: a watch begins and is silent, a request hangs."""


Kind = Refuse | ErrorEvent | ResetBefore | ResetAfter | Delay | Hold | HalfOpen


def everything(_: ProxiedRequest) -> bool:
    return True


@dataclass
class ProxyFault:
    """Hits the requests it matches, until its count is used up or a test takes it away."""

    kind: Kind
    matches: Callable[[ProxiedRequest], bool] = field(default=everything)
    count: int | None = None
    """How many requests it hits; None for all."""
    probability: float = 1.0
    hits: int = 0
    """How many it has hit."""

    def strikes(self, asked: ProxiedRequest, chance: random.Random) -> bool:
        spent = self.count is not None and self.hits >= self.count
        if spent or not self.matches(asked) or chance.random() >= self.probability:
            return False
        self.hits += 1
        return True
