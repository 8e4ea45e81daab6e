"""What the value of a key in an agent's definition may be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter

from controller.core.agents import GoodbyeRule, RoomKind

_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
"""As Pipecat Cloud's client checks it, with a bound on the digits."""

_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_GOODBYE_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionKey:
    """One key of a file.

    Attributes:
        name: with its table, as in `scaling.min_agents`.
        type: checks its value, and returns it as the definition has it.
        expects: what to write, to go on from "Write".
        meaning: for the reference.
        field: of the definition; None if the definition doesn't have it as such.
        note: why it has no effect here, as a sentence; None if it has one, or if it doesn't matter.
    """

    name: str
    type: TypeAdapter[Any]
    expects: str
    meaning: str
    field: str | None = None
    note: str | None = None


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


def file_within(path: str) -> str:
    """Check the path of a Python file below an agent's directory."""
    steps = path.split("/")
    if ".." in steps or "" in steps or not path.endswith(".py"):
        raise ValueError("not a Python file below the directory")
    return path


def quantity(least: int | Decimal, most: int) -> Callable[[str | float], str]:
    """Return the check of a Kubernetes quantity. In TOML, one without a unit may be a number."""

    def check(value: str | float) -> str:
        found = _QUANTITY.fullmatch(str(value))
        if found is None or not least <= Decimal(found[1]) * _FACTORS[found[2] or ""] <= most:
            raise ValueError("not a quantity in this range")
        return str(value)

    return check


def without_repetition(kinds: list[RoomKind]) -> tuple[RoomKind, ...]:
    """Check that each kind of room is named once, and return them in alphabetical order."""
    if len(set(kinds)) < len(kinds):
        raise ValueError("a kind is there twice")
    return tuple(sorted(kinds))


def mute_seconds(seconds: float) -> float:
    """Check how long a caller may hear nothing: 0 for any length, or enough seconds for an answer."""
    if 0 < seconds < 2:
        raise ValueError("too few for any answer")
    return seconds


def goodbye(value: object) -> GoodbyeRule:
    """Return the goodbye that a table with a request or a sentence describes, or the none of `false`."""
    if value is False:
        return GoodbyeRule()
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("neither one sentence nor false")
    [(kind, text)] = value.items()
    if kind not in ("request", "sentence") or not isinstance(text, str):
        raise ValueError("neither a request nor a sentence")
    if not (0 < len(text) <= _GOODBYE_CHARACTERS and text.replace("\n", " ").isprintable()):
        raise ValueError("not a text of this length")
    return GoodbyeRule(**{kind: text})


def json_only(table: dict[str, Any]) -> dict[str, Any]:
    """Refuse what only TOML has: dates, infinity."""
    try:
        json.dumps(table, allow_nan=False)
    except TypeError:
        raise ValueError("a date is no JSON") from None
    return table


def matching(pattern: str) -> Any:
    """Return the type of texts that this pattern matches as a whole."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError("not of this form")
        return text

    return Annotated[str, StringConstraints(max_length=512), AfterValidator(check)]


def strict(kind: Any) -> TypeAdapter[Any]:
    """Return what checks values of this type, and converts none of another into it."""
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def text(most: int) -> Any:
    """Return the type of printable texts of at most so many characters."""
    return Annotated[str, StringConstraints(min_length=1, max_length=most), AfterValidator(_printable)]


def number(least: float, most: float) -> Any:
    """Return the type of numbers in this range."""
    return Annotated[float, Field(ge=least, le=most, allow_inf_nan=False)]


def whole(least: int, most: int) -> Any:
    """Return the type of whole numbers in this range."""
    return Annotated[int, Field(ge=least, le=most)]
