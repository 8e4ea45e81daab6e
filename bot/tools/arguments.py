"""The model's arguments, read as untrusted input: wrong types, endless texts and control characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from podline.contract.text import printable

MAX_PRODUCT_NUMBER: Final = 999_999
MAX_QUERY_CHARACTERS: Final = 300
MAX_CATEGORY_CHARACTERS: Final = 60
MAX_PRICE_RANGE_CHARACTERS: Final = 60

_DIGITS: Final = re.compile(r"([0-9]{1,9})(\.0+)?")


class NotText(Exception):  # noqa: N818 - named for what is wrong
    """An argument that should be a text is something else."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True)
class Wanted:
    """What to search for. None where the model gave nothing."""

    words: str | None
    category: str | None
    price_range: str | None


def search_query(arguments: Mapping[str, Any]) -> Wanted:
    """Read a search's arguments. Unknown ones are ignored.

    Raises:
        NotText: One is of another type.
    """
    return Wanted(
        words=_text(arguments, "query", MAX_QUERY_CHARACTERS),
        category=_text(arguments, "category", MAX_CATEGORY_CHARACTERS),
        price_range=_text(arguments, "priceRange", MAX_PRICE_RANGE_CHARACTERS),
    )


def product_number(value: object) -> int | None:
    """Return the number that a model means, or None: 2, 2.0 and "2" are 2."""
    if isinstance(value, str):
        digits = _DIGITS.fullmatch(value.strip())
        value = int(digits[1]) if digits else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 1 <= value <= MAX_PRODUCT_NUMBER else None


def _text(arguments: Mapping[str, Any], name: str, limit: int) -> str | None:
    """Return one line of the model's text, cut to length, or None if there is none."""
    value = arguments.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise NotText(name)
    return printable(value, limit).strip() or None
