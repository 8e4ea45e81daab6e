"""Writes to the API server: those that one task makes, and those that the server has counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final

from scripts.benchmarks.cluster.raw import Raw

COUNTED: Final = ("jobs", "pods", "secrets")
"""The resources of which the server's counts are read."""

_WRITES: Final = ("POST", "PUT", "PATCH", "APPLY", "DELETE")
_COUNT: Final = re.compile(r"^apiserver_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
_MADE: Final[ContextVar[list[str]]] = ContextVar("made")


def begin_counting() -> list[str]:
    """Return the list that gets the method of each write which this task makes from now on."""
    writes: list[str] = []
    _MADE.set(writes)
    return writes


def note(method: str, _query: Mapping[str, Any], _status: int | None, _seconds: float) -> None:
    """Note a request, as an `Api` reports it."""
    if method != "GET" and (writes := _MADE.get(None)) is not None:
        writes.append(method)


async def writes_at_server(raw: Raw) -> Counter[str]:
    """Return how many writes of each resource the API server has answered since its start."""
    return writes_in((await raw.send("GET", "/metrics")).decode())


def writes_in(metrics: str) -> Counter[str]:
    """Return the writes of each resource in the API server's metrics. Pure."""
    found: Counter[str] = Counter()
    for each in _COUNT.finditer(metrics):
        labels = dict(_LABEL.findall(each["labels"]))
        if labels["verb"] in _WRITES and labels["resource"] in COUNTED:
            found[labels["resource"]] += int(float(each["count"]))
    return found
