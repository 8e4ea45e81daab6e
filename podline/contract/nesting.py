"""A limit on the nesting of untrusted JSON: some that can be parsed can't be serialised again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MOST_LEVELS: Final = 32
"""Far more than real data needs, and far less than a parser or a page fails at."""


def is_too_deep(value: Any) -> bool:
    """Return whether lists and objects are nested more than `MOST_LEVELS` deep."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
