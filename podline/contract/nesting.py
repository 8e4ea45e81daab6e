"""How deeply JSON of strangers may be nested: what can be read can't always be written again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MOST_LEVELS: Final = 32
"""Far more than anybody's data has, and far less than what makes a parser or a page give up."""


def is_too_deep(value: Any) -> bool:
    """Whether lists and objects lie more than `MOST_LEVELS` deep within each other."""
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
