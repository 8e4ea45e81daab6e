"""Label values from outside, limited in number because each creates a series."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, get_args

from controller.core import default_agent
from podline.contract.arithmetic import OTHER
from podline.contract.messages import EVENT_KINDS, UnansweredCause

MAX_VALUES: Final = 32
"""The most kinds of errors."""

MAX_AGENTS: Final = 200
"""The most agents with counters of their own."""

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
"""Pipecat's ErrorCategory, in pipecat/utils/errors.py."""


REFUSAL_CAUSES: Final = ("rate", "total", "size", "malformed", "unsupported")
"""Why our bots refuse a message of the caller's client."""

UNANSWERED_CAUSES: Final[tuple[str, ...]] = get_args(UnansweredCause)
"""Why a caller who was owed an answer heard none."""

REFUSED_KINDS: Final = (
    *EVENT_KINDS,
    "totals",
    "timeline",
    "batch",
)
"""The kinds of bots' claims that may be refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """The names that the operator declares: only these become labels, whatever else bots report."""

    tools: Collection[str] = default_agent.TOOLS
    models: Collection[str] = default_agent.MODELS
    services: Collection[str] = default_agent.SERVICES


class DeclaredValues:
    """Passes names that are known beforehand; the rest become `OTHER`."""

    def __init__(self, declared: Iterable[str]) -> None:
        self._declared = frozenset(declared)

    def bounded(self, value: str) -> str:
        return value if value in self._declared else OTHER


class BoundedValues:
    """Passes the first few values, and those known beforehand; the rest become `OTHER`."""

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
