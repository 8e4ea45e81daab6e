"""TOML from a file that anybody may have written."""

from __future__ import annotations

import tomllib
from typing import Any

from podline.contract.text import printable


class InvalidTomlError(ValueError):
    """A text is not TOML. The parser's words name a place, and never a value."""


def parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidTomlError(f"it is not valid TOML ({printable(str(error), 200)})") from None
    except RecursionError:
        raise InvalidTomlError("its values are nested too deeply") from None
