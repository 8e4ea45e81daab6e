"""Types of values in requests, and the checks of their size."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, StringConstraints

from podline.contract.nesting import MOST_LEVELS, is_too_deep

MAX_METADATA_BYTES: Final = 4096
MAX_BODY_BYTES: Final = 16 * 1024
_JOINERS: Final = "\u200c\u200d"
"""Not printable by themselves, yet part of words in Persian and in the scripts of India."""


def _printable(text: str) -> str:
    if not all(character.isprintable() or character in _JOINERS for character in text):
        raise ValueError("control characters are not allowed")
    return text


def _no_directory(text: str) -> str:
    if text in (".", ".."):
        raise ValueError("'.' and '..' are not allowed")
    return text


def json_of(value: Any) -> str:
    """Return a value of a request as compact JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def at_most(most_bytes: int) -> Callable[[Any], Any]:
    """Return the check of the size and the depth of JSON that is kept or passed on."""

    def check(value: Any) -> Any:
        try:
            size = len(json_of(value).encode())
        except (ValueError, RecursionError):
            raise ValueError("only JSON values are allowed") from None
        if is_too_deep(value):
            raise ValueError(f"at most {MOST_LEVELS} levels of lists and objects are allowed")
        if size > most_bytes:
            raise ValueError(f"at most {most_bytes} bytes of JSON are allowed, this is {size}")
        return value

    return check


UserId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
SessionId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$"), AfterValidator(_no_directory)
]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_printable)]

AgentName = Annotated[str, StringConstraints(max_length=64)]
"""Not checked against the pattern of names: a name that breaks it is the name of no agent."""

BotBody = Annotated[Any, AfterValidator(at_most(MAX_BODY_BYTES))]
"""What the bot receives as `runner_args.body`; null is none."""
