"""Environment variables as fields of settings: name, description, default, unit and example in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PREFIX: Final = "PODLINE_"

IS_FROZEN: Final = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Group(BaseModel):
    """Variables that configure one thing. Each group picks its own from all variables."""

    model_config = IS_FROZEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """The documentation of one variable.

    Attributes:
        name: of the variable.
        description: what it does, and what happens without it.
        default: as written in a file; None if there is none.
        unit: of a number.
        example: a value for those that have no default.
        to_fill_in: True if every installation needs a value for it.
    """

    name: str
    description: str
    default: str | None = None
    unit: str | None = None
    example: str = ""
    to_fill_in: bool = False


def variable(
    name: str,
    description: str,
    *,
    default: Any = None,
    unit: str | None = None,
    example: str = "",
    to_fill_in: bool = False,
    **constraints: Any,
) -> Any:
    """Declare a field that is read from the variable `name`; the rest is as in `Variable`."""
    return Field(
        default,
        alias=name,
        description=description,
        json_schema_extra={"unit": unit, "example": example, "to_fill_in": to_fill_in},
        **constraints,
    )


def variables_of(group: type[Group]) -> Iterator[Variable]:
    """List a group's variables in the order of its fields."""
    for name, field in group.model_fields.items():
        if field.alias is None or not isinstance(field.json_schema_extra, dict):
            raise TypeError(f"{group.__name__}.{name} is declared without variable()")
        documented: dict[str, Any] = field.json_schema_extra
        yield Variable(
            name=field.alias,
            description=field.description or "",
            default=_written(field.default),
            **documented,
        )


def _written(default: object) -> str | None:
    if default in (None, ()):
        return None
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _split(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value


COMMA_SEPARATED: Final = BeforeValidator(_split)
