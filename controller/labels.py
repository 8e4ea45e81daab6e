"""Label values that come from outside: a bounded number of them, since each makes series of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from protocol import assistant
from protocol.adding import OTHER

MAX_VALUES: Final = 32
"""As many kinds of errors as there may be."""

ERROR_KINDS: Final = (
    "unknown",
    "authentication",
    "authorization",
    "invalid_request",
    "rate_limit",
    "quota",
    "connectivity",
    "server",
    "application",
)
"""Pipecat's: pipecat/utils/errors.py, ErrorCategory."""


REFUSAL_CAUSES: Final = ("rate", "total", "size", "malformed", "unsupported")
"""Why a bot of ours refuses a message of its caller's client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What the operator says bots use: these names become labels, whatever else bots tell of."""

    tools: Collection[str] = assistant.TOOLS
    models: Collection[str] = assistant.MODELS


class DeclaredValues:
    """Lets the names pass that are known beforehand; the rest is `OTHER`."""

    def __init__(self, declared: Iterable[str]) -> None:
        self._declared = frozenset(declared)

    def bounded(self, value: str) -> str:
        return value if value in self._declared else OTHER


class BoundedValues:
    """Lets the first few values pass, and those that are known beforehand; the rest is `OTHER`."""

    def __init__(self, known: Iterable[str] = (), limit: int = MAX_VALUES) -> None:
        self._passed = set(known)
        self._left = limit

    def bounded(self, value: str) -> str:
        if value in self._passed:
            return value
        if self._left <= 0 or not value.isprintable():
            return OTHER
        self._left -= 1
        self._passed.add(value)
        return value
