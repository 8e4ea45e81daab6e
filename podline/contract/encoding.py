"""Messages to JSON, and JSON back to messages: strictly, and without repeating a stranger's text."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from podline.contract import messages, usage
from podline.contract.messages import EVENT_KINDS, BotTimeline, FinalReport, InboxAnswer, InboxPage
from podline.contract.usage import ModelUsage

T = TypeVar("T")


class DecodeError(ValueError):
    """A text is not a valid message. The error says where and why, and repeats none of the text."""


def encode(message: Any) -> bytes:
    """Return a message as JSON."""
    text = json.dumps(message, default=_fields, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="replace")  # half a surrogate pair must not keep a report from being sent


def decode(adapter: TypeAdapter[T], text: bytes | str) -> T:
    """Read a message strictly: no "1" for 1, nothing out of bounds. Unknown fields are ignored.

    Raises:
        DecodeError: It is not JSON, or not a valid message.
    """
    try:
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        raise decode_error(error) from None
    except UnicodeEncodeError:
        raise DecodeError("It is not UTF-8") from None


def decode_error(error: ValidationError) -> DecodeError:
    """Return the first of pydantic's complaints, without the text that it is about.

    If the text is of a contract that isn't spoken here, that is the cause of the others.
    """
    complaints = error.errors(include_url=False, include_context=False, include_input=False)
    of_contract = [each for each in complaints if each["loc"] == ("contract",)]
    return DecodeError(_sentence([*of_contract, *complaints][0]))


def _fields(message: Any) -> dict[str, Any]:
    if type(message) not in _MESSAGES:
        raise TypeError(f"{type(message).__name__} can't be written as JSON")
    named = {name: getattr(message, name) for name in message.__slots__}
    defaults = _DEFAULTS.get(type(message))
    if defaults is None:
        return named
    return {name: value for name, value in named.items() if name not in defaults or value != defaults[name]}


def _sentence(error: ErrorDetails) -> str:
    """Return where and why. Unknown kinds, and names of models and tools, would be the sender's own words."""
    why = "Unknown kind" if error["type"] == "union_tag_invalid" else error["msg"]
    why = why.removeprefix("Value error, ")
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}" if step in _OUR_NAMES else "[...]"
        for step in error["loc"]
    )
    return f"{why} - at `${path}`" if path else why


def _defaults(kind: type[Any]) -> dict[str, Any]:
    made = {each.name: each.default_factory() for each in fields(kind) if each.default_factory is not MISSING}
    return made | {each.name: each.default for each in fields(kind) if each.default is not MISSING}


_DEFAULTS: Final[dict[type[Any], dict[str, Any]]] = {
    kind: _defaults(kind) for kind in (BotTimeline, FinalReport, InboxAnswer, InboxPage, ModelUsage)
}
"""The messages that leave out fields with default values."""

_MESSAGES: Final = frozenset(
    kind for module in (messages, usage) for kind in vars(module).values() if is_dataclass(kind)
)
_OUR_NAMES: Final = frozenset(EVENT_KINDS) | {each.name for kind in _MESSAGES for each in fields(kind)}
