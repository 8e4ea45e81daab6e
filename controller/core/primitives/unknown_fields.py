"""Fields of JSON that only a newer release knows, kept by one that writes the rest again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def unknown_fields(written: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an object that is beyond the known one, at any depth of nested objects."""
    unknown: dict[str, Any] = {}
    for name, value in written.items():
        if name not in known:
            unknown[name] = value
        elif (
            isinstance(value, Mapping)
            and isinstance(known[name], Mapping)
            and (nested := unknown_fields(value, known[name]))
        ):
            unknown[name] = nested
    return unknown


def with_unknown_fields(known: Mapping[str, Any], unknown: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with the part that was set aside. What is known takes precedence."""
    whole = dict(known)
    for name, value in unknown.items():
        if name not in whole:
            whole[name] = value
        elif isinstance(value, Mapping) and isinstance(whole[name], Mapping):
            whole[name] = with_unknown_fields(whole[name], value)
    return whole
