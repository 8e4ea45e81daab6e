"""Label values that come from outside: a bounded number of them, since each makes series of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from protocol.adding import OTHER

MAX_VALUES: Final = 32
"""As many tools as one call may tell apart."""


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
