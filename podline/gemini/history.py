"""The conversation so far as text, for a session that begins without it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

from podline.extras import optional

if TYPE_CHECKING:
    from google.genai import types as genai_types
else:
    genai_types = optional("google", "google.genai.types")

MOST_TURNS: Final = 80
MOST_CHARACTERS: Final = 40_000
"""About 10,000 tokens, an hour of conversation. The latest turns are kept."""
LONGEST_RESULT: Final = 4_000

_RECENT_TURNS: Final = 4
_Turn = tuple[Literal["user", "model"], str]

_UNSETTLED: Final = frozenset({"IN_PROGRESS", "CANCELLED", '"CANCELLED"'})


def as_turns(messages: Iterable[Any], last_words: str = "") -> list[genai_types.Content]:
    """Return the turns of a context's messages, oldest first. Instructions are the session's, not a turn.

    Tools' results become text: a session doesn't know the calls of another.

    Args:
        messages: The context's.
        last_words: What the caller said last, if the context may not have it yet.
    """
    turns = _turns_of(messages)
    if last_words and not any(last_words in text for _, text in turns[-_RECENT_TURNS:]):
        turns.append(("user", last_words))
    kept: list[genai_types.Content] = []
    characters = 0
    for role, text in reversed(turns[-MOST_TURNS:]):
        characters += len(text)
        if characters > MOST_CHARACTERS:
            break
        kept.append(genai_types.Content(role=role, parts=[genai_types.Part(text=text)]))
    return kept[::-1]


def last_request(messages: Iterable[Any]) -> str:
    """Return the text of the last user's turn."""
    return next((text for role, text in reversed(_turns_of(messages)) if role == "user"), "")


def text_of_messages(messages: Iterable[Any]) -> str:
    """Return the text of messages that are to be said as one."""
    texts = (text_of(message.get("content")).strip() for message in messages if isinstance(message, dict))
    return "\n".join(filter(None, texts))


def result_as_text(name: str, result: str) -> str:
    """Return what a tool returned as a sentence for the model."""
    return f"[{name} returned: {result[:LONGEST_RESULT]}]"


def _turns_of(messages: Iterable[Any]) -> list[_Turn]:
    known = [message for message in messages if isinstance(message, dict)]
    tools = {call.get("id"): _name_of(call) for message in known for call in message.get("tool_calls") or []}
    return [turn for message in known if (turn := _turn_of(message, tools)) is not None]


def _turn_of(message: dict[str, Any], tools: dict[Any, str]) -> _Turn | None:
    text = text_of(message.get("content")).strip()
    match message.get("role"):
        case _ if not text:
            return None
        case "assistant":
            return "model", text
        case "user" | "developer":
            return "user", text
        case "tool" if text not in _UNSETTLED:
            return "user", result_as_text(tools.get(message.get("tool_call_id"), "A tool"), text)
        case _:
            return None


def _name_of(call: dict[str, Any]) -> str:
    return str((call.get("function") or {}).get("name") or "A tool")


def text_of(content: Any) -> str:
    """Return the text of a message's content, without its images and files."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (part.get("text") for part in content if isinstance(part, dict))
        return " ".join(text for text in texts if isinstance(text, str))
    return ""
