"""Descriptions of pydantic's errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def describe_errors(errors: Sequence[Any], root: int = 1) -> str:
    """Describe what is wrong, field by field, without repeating what was sent.

    Args:
        errors: as pydantic lists them.
        root: how many steps lead to where the fields begin: one into a body or a query.
    """
    return "; ".join(f"{_field(each['loc'], root)}{_cause(each)}" for each in errors) + "."


def _field(location: Sequence[int | str], root: int) -> str:
    """Return a field's path; the body itself, and a position in broken JSON, by its name."""
    path = ".".join(str(each) for each in location[root:] if not isinstance(each, int))
    name = path or "".join(map(str, location[:1]))
    return f"{name}: " if name else ""


def _cause(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        return "this is not valid JSON"
    return str(error["msg"]).removeprefix("Value error, ").rstrip(".")
