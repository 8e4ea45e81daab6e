"""Settings read from environment variables; one line names every wrong variable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from podline.errors import WrongVariables

T = TypeVar("T")

_HTTP: Final = ("http", "https")
_WEBSOCKET: Final = ("ws", "wss", *_HTTP)

_SHOWN: Final = frozenset(
    {
        "bool_parsing",
        "finite_number",
        "float_parsing",
        "greater_than_equal",
        "less_than_equal",
        "literal_error",
    }
)
"""Pydantic's errors about numbers and choices: the values of such variables are not secret."""


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set: a blank value counts as missing."""
    return {name: value for name, value in environment.items() if value.strip()}


def read_variables(
    shape: type[T],
    values: Mapping[str, Any],
    hints: Mapping[str, str] | None = None,
    problems: Sequence[str] = (),
) -> T:
    """Fill a dataclass from variables; its fields have their names as aliases.

    Args:
        shape: The dataclass.
        values: Variables that are set; a nested dataclass takes its own under the field's name.
        hints: What to do about a missing variable, by its name.
        problems: Mistakes that are already known.

    Raises:
        WrongVariables: Something is missing or malformed.
    """
    try:
        filled = TypeAdapter(shape).validate_python(values)
    except ValidationError as error:
        found = [_problem(each, hints or {}) for each in error.errors()]
        raise WrongVariables([*found, *problems]) from None
    if problems:
        raise WrongVariables(problems)
    return filled


def _problem(error: ErrorDetails, hints: Mapping[str, str]) -> str:
    name = next(str(each) for each in reversed(error["loc"]) if isinstance(each, str))
    if error["type"] == "missing":
        return f"{name} is missing" + (f" ({hints[name]})" if name in hints else "")
    if error["type"] == "value_error":
        return f"{name} {error['ctx']['error']}"
    expected = error["msg"].split(", unable")[0].partition(" should ")[2]
    value = f"is {quoted(str(error['input']))}, but " if error["type"] in _SHOWN else ""
    return f"{name} {value}should {expected}"


def quoted(value: str) -> str:
    """Return the value in quotes, on one line and not too long."""
    return json.dumps(value if len(value) <= 80 else f"{value[:80]}...")


def _http_url(value: str) -> str:
    return _url(value, _HTTP, "an http(s) URL")


def _websocket_url(value: str) -> str:
    return _url(value, _WEBSOCKET, "a ws(s) URL")


def _url(value: str, schemes: tuple[str, ...], kind: str) -> str:
    """Return an absolute URL that a path can be added to."""
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    is_whole = value.isprintable() and " " not in value and not parts.query and not parts.fragment
    if not (is_whole and port_is_valid and parts.scheme in schemes and parts.hostname):
        # Shown only if it can't be anything but an address: a key in the wrong variable is not repeated.
        is_address = "://" in value and not {"@", "?", "#"} & set(value)
        raise ValueError(f"is {quoted(value)}, which is not {kind}" if is_address else f"is not {kind}")
    return value.rstrip("/")


Text = Annotated[str, StringConstraints(strip_whitespace=True)]
"""A value without the surrounding blanks that files and pipes leave."""
HttpUrl = Annotated[Text, AfterValidator(_http_url)]
WebSocketUrl = Annotated[Text, AfterValidator(_websocket_url)]
