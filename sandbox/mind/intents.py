"""What a caller wants, read from words spoken or typed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from sandbox.numbers import digits_for_words


class Search(msgspec.Struct, frozen=True):
    query: str
    category: str | None = None
    price_range: str | None = None


class Save(msgspec.Struct, frozen=True):
    number: int


class Remove(msgspec.Struct, frozen=True):
    number: int


class Goodbye(msgspec.Struct, frozen=True):
    """The caller ends the conversation."""


class Say(msgspec.Struct, frozen=True):
    """The application asks for exactly these words."""

    text: str


class Greet(msgspec.Struct, frozen=True):
    """The application, or a caller's hello, asks for a greeting."""


class Recall(msgspec.Struct, frozen=True):
    """The caller wants to hear what they looked for."""


class AnswerAgain(msgspec.Struct, frozen=True):
    """The application wants the answer to what was asked last."""


class AskToRepeat(msgspec.Struct, frozen=True):
    """The application could not hear the caller, and wants them asked to say it again."""


class ToolReturned(msgspec.Struct, frozen=True):
    """The application sends a tool's result as text; `response` is None if the text was cut off.

    A session that didn't make the call takes a result in no other form.
    """

    response: dict[str, Any] | None


Intent = Search | Save | Remove | Goodbye | Say | Greet | Recall | AnswerAgain | AskToRepeat | ToolReturned

SEARCH_VERBS: Final = ("find", "search for", "show me", "look for", "i want", "i need", "do you have")
SAVE_VERBS: Final = ("save", "keep", "bookmark", "put aside", "add")
REMOVE_VERBS: Final = ("remove", "delete", "forget", "take out", "get rid of", "throw away")
GOODBYES: Final = (
    "thank you goodbye",
    "thanks goodbye",
    "goodbye for now",
    "that is all goodbye",
    "i am done goodbye",
)

_MORE_GOODBYES: Final = (
    "goodbye",
    "good bye",
    "bye",
    "bye bye",
    "see you",
    "thanks bye",
    "hang up",
    "end the call",
)
_GREETINGS: Final = ("hello", "hi", "hey", "hello there", "hi there", "good morning", "good evening")

_POLITE: Final = re.compile(r"^(please|could you|can you|i would like to|i'd like to)\s+|\s+please$")
_ARTICLES: Final = re.compile(r"^(me\s+)?((a|an|any|some|the|for)\s+)*")
_NUMBERED: Final = (
    r"(?:the\s+)?(?:product\s+)?(?:number\s+|product\s+|#\s*)?(?P<number>\d{1,9})"
    r"(?:\s+(?:to|from|in|on|off)\s+my\s+list)?"
)
_PRICE: Final = re.compile(
    r"\s*\b(?:(?:that\s+cost\s+)?"
    r"(?P<bound>under|below|less than|cheaper than|at most|up to|over|above|more than|at least)\s+"
    r"\$?(?P<amount>\d+(?:\.\d+)?)"
    r"|(?:between|from)\s+\$?(?P<low>\d+(?:\.\d+)?)\s*(?:and|to|-)\s*\$?(?P<high>\d+(?:\.\d+)?))"
    r"(?:\s*(?:dollars?|bucks|usd))?$"
)
_BELOW: Final = frozenset({"under", "below", "less than", "cheaper than", "at most", "up to"})
_SAY: Final = re.compile(r"\b(?:say|tell|greet)\b[^\"“]{0,120}[\"“](?P<words>[^\"”]+)[\"”]", re.IGNORECASE)
_LONGEST_INSTRUCTION: Final = 400
_WISHES: Final[tuple[tuple[re.Pattern[str], Intent], ...]] = (
    # What Pipecat asks the model for after a caller's turn without words.
    (re.compile(r"\bask (them|the (caller|user)) to repeat\b", re.IGNORECASE), AskToRepeat()),
    (re.compile(r"\b(good-?\s?bye|farewell|bye)\b", re.IGNORECASE), Goodbye()),
    (re.compile(r"\b(greet|greeting|welcome|introduce)\b", re.IGNORECASE), Greet()),
    (
        re.compile(
            r"\b(again|repeat|go on|carry on|continue|(heard|got|was|gave) no (answer|reply)"
            r"|(said|asked|wanted) last|(did|do|was|were)(n't| not) (hear|heard|answer|answered))\b",
            re.IGNORECASE,
        ),
        AnswerAgain(),
    ),
)
"""What an application may ask for, by the words that it asks with; the first that fits counts."""

_RETURNED: Final = re.compile(r"\[[^\[\]]{1,200} returned: (?P<json>.*)\]", re.DOTALL)
_RECALL: Final = re.compile(r"what (was i looking for|did i (ask for|look for|want|say))")


def parse(text: str, categories: Collection[str]) -> Intent | None:
    """Return what an utterance asks for as a whole, or None for an unknown request.

    Args:
        text: The utterance; numbers may be words or digits.
        categories: The shop's categories. A search for just one of them names it as its category.
    """
    words = _plain(text)
    readers: tuple[Callable[[str], Intent | None], ...] = (
        _read_goodbye,
        _read_greeting,
        _read_change,
        _read_recall,
        lambda plain: _read_search(plain, categories),
    )
    return next((intent for read in readers if (intent := read(words)) is not None), None)


def parse_instruction(text: str) -> Intent | None:
    """Return what the application asks the model to say, or None for an unknown request.

    A long text is no instruction: it is the persona, which some clients send as the first turn.
    """
    if returned := _RETURNED.fullmatch(text.strip()):
        return ToolReturned(_object_in(returned["json"]))
    if len(text) > _LONGEST_INSTRUCTION:
        return None
    if quoted := _SAY.search(text):
        return Say(quoted["words"].strip())
    return next((wish for wished, wish in _WISHES if wished.search(text)), None)


def _object_in(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _plain(text: str) -> str:
    """Lower case, numbers as digits, without punctuation or politeness around it."""
    words = re.sub(r"[^\w$#.'-]+", " ", text.lower().replace(",", ""))
    words = digits_for_words(re.sub(r"[.!?]+(?=\s|$)", "", words).strip())
    while (shorter := _POLITE.sub("", words).strip()) != words:
        words = shorter
    return words


def _read_goodbye(words: str) -> Goodbye | None:
    return Goodbye() if words in GOODBYES or words in _MORE_GOODBYES else None


def _read_greeting(words: str) -> Greet | None:
    return Greet() if words in _GREETINGS else None


def _read_recall(words: str) -> Recall | None:
    return Recall() if _RECALL.fullmatch(words) else None


def _read_change(words: str) -> Save | Remove | None:
    kinds: tuple[tuple[type[Save | Remove], tuple[str, ...]], ...] = (
        (Save, SAVE_VERBS),
        (Remove, REMOVE_VERBS),
    )
    for kind, verbs in kinds:
        if found := re.fullmatch(rf"(?:{'|'.join(verbs)})\s+{_NUMBERED}", words):
            return kind(int(found["number"]))
    return None


def _read_search(words: str, categories: Collection[str]) -> Search | None:
    found = re.fullmatch(rf"(?:{'|'.join(SEARCH_VERBS)}|search|show)\s+(?P<rest>.+)", words)
    if not found:
        return None
    wanted, price_range = _split_price(found["rest"])
    query = _ARTICLES.sub("", wanted).strip()
    if not query:
        return None
    category = next((name for name in categories if name.lower() == query), None)
    return Search(query, category, price_range)


def _split_price(words: str) -> tuple[str, str | None]:
    """Cut the price off the end of a request."""
    found = _PRICE.search(words)
    if not found:
        return words, None
    rest = words[: found.start()]
    if found["bound"] is None:
        return rest, f"${found['low']}-${found['high']}"
    return rest, f"{'under' if found['bound'] in _BELOW else 'over'} ${found['amount']}"
