"""Tables of misbehaviours that can be ordered, from their classes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect


def shared_rows(whose: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield a row for each parameter that all orders of a class have."""
    notes = attributes_of(kind)
    for field in own_fields(kind):
        if field.name != "target":
            yield f"| {whose} | {parameter(field)} | {notes[field.name]} |"


def order_row(kind: type[msgspec.Struct], shared: list[str]) -> str:
    """Return an order's row: its name, its parameters, those that it shares with others, and what it does."""
    notes = attributes_of(kind)
    parameters = [
        f"{parameter(field)}{': ' + notes[field.name] if field.name in notes else ''}"
        for field in own_fields(kind)
    ]
    does = " ".join((kind.__doc__ or "").split("\n\n", 1)[0].split())
    return f"| `{kind.__struct_config__.tag}` | {'<br>'.join([*shared, *parameters])} | {does} |"


def as_json(order: dict[str, Any]) -> str:
    """Return an order as it is written in a table."""
    return f"`{json.dumps(order)}`"


def own_fields(kind: type[msgspec.Struct]) -> list[Any]:
    """Return the fields that a class adds to those of its bases."""
    [base] = kind.__bases__
    inherited = set(getattr(base, "__struct_fields__", ()))
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return [field for field in info.fields if field.name not in inherited]


def attributes_of(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return what a class's docstring says about its fields."""
    _, _, listed = (kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^        (\w+): (.*(?:\n            .*)*)", listed, re.MULTILINE)
    return {name: " ".join(note.split()).replace("None", "`null`") for name, note in found}


def parameter(field: Any) -> str:
    default = "" if field.required else f", by default {_value(field.default)}"
    return f"`{field.encode_name}` ({_range(field.type)}{default})"


def _value(value: Any) -> str:
    return f"`{json.dumps(value)}`"


def _range(kind: Any) -> str:
    """Return what values a type has, in words."""
    match kind:
        case inspect.UnionType():
            words = " or ".join(_range(each) for each in kind.types)
        case inspect.LiteralType():
            words = ", ".join(_value(value) for value in kind.values)
        case inspect.IntType() | inspect.FloatType():
            words = f"{kind.ge} to {kind.le}" if kind.le is not None else f"from {kind.ge}"
        case inspect.StrType():
            words = "text" if kind.max_length is None else f"text of at most {kind.max_length}"
        case inspect.ListType():
            words = f"list of {_range(kind.item_type)}"
        case inspect.BoolType():
            words = "`true`, `false`"
        case inspect.NoneType():
            words = "`null`"
        case _:
            words = "any JSON"
    return words
