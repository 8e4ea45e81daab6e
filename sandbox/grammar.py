"""The sentences the sandbox's ears can make out, as a JSGF grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from sandbox.mind.intents import GOODBYES, REMOVE_VERBS, SAVE_VERBS
from sandbox.numbers import words_for_number

_CHANGE_VERBS: Final = tuple(verb for verb in (*SAVE_VERBS, *REMOVE_VERBS) if verb != "add")
_SEARCH_VERBS: Final = ("find", "search for", "show me", "look for", "i need")
"""Fewer than can be typed: each further one is heard in sentences that are no requests."""

_AMOUNTS: Final = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 150, 200, 300, 500)
_NUMBERS: Final = range(1, 300)

_OTHER_WORDS: Final = """
of | and | in | is | you | that | it | he | was | on | as | with | his | they | i | at | be | this |
have | or | had | but | not | what | all | were | when | your | can | said | there | use | an | each |
which | she | do | how | their | if | will | up | other | about | out | many | then | these | so | her |
would | make | like | into | time | has | write | go | see | way | could | people | than | first | water
| call | who | its | now | long | down | day | did | get | come | made | may | part | a | where
""".replace("\n", " ").strip()
"""Common English words, for speech that is no request: without them the decoder finds one in half of it.
Words that sound like the beginning of a verb or a goodbye are not among them."""

_TEMPLATE: Final = """#JSGF V1.0;
grammar requests;
public <request> = /1/ <change> | /1/ <search> | /1/ <goodbye> | /1e-20/ <other>;
<change> = ({change_verbs}) (product | number) <number>;
<search> = ({search_verbs}) [some] <thing> [<price>];
<price> = (under | below | over) <amount> dollars | between <amount> and <amount> dollars;
<goodbye> = {goodbyes};
<thing> = {things};
<amount> = {amounts};
<number> = <below_hundred> | (one | two) hundred [[and] <below_hundred>];
<below_hundred> = <unit> | ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen
  | eighteen | nineteen | (twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety) [<unit>];
<unit> = one | two | three | four | five | six | seven | eight | nine;
<other> = <word> <word> <word>+;
<word> = {words};
"""


class Grammar(msgspec.Struct, frozen=True):
    """A grammar for the decoder, and the whole sentences that it stands for.

    The decoder also returns sentences that broke off in the middle, and words that are no request: those are
    not accepted.
    """

    jsgf: str
    sentences: re.Pattern[str]
    changes: re.Pattern[str]
    """Those sentences among them that change something."""

    def accepts(self, words: str, *, beginning_is_missing: bool = False) -> bool:
        """Whether the words are a request.

        Without its beginning `save` sounds like `remove`, and `delete` like `keep`: then nothing is changed.
        """
        if beginning_is_missing and self.changes.fullmatch(words):
            return False
        return self.sentences.fullmatch(words) is not None


def request_grammar(things: Iterable[str]) -> Grammar:
    """The grammar of requests.

    Args:
        things: What a caller may look for, in lower-case words that the dictionary knows.
    """
    wanted = sorted(set(things))
    amounts = [words_for_number(amount) for amount in _AMOUNTS]
    jsgf = _TEMPLATE.format(
        change_verbs=" | ".join(_CHANGE_VERBS),
        search_verbs=" | ".join(_SEARCH_VERBS),
        goodbyes=" | ".join(GOODBYES),
        things=" | ".join(wanted),
        amounts=" | ".join(amounts),
        words=_OTHER_WORDS,
    )
    price = (
        rf"(?:under|below|over) {_any(amounts)} dollars|between {_any(amounts)} and {_any(amounts)} dollars"
    )
    numbers = [words_for_number(number) for number in _NUMBERS]
    changes = rf"{_any(_CHANGE_VERBS)} (?:product|number) {_any(numbers)}"
    sentences = (
        rf"{changes}"
        rf"|{_any(_SEARCH_VERBS)}(?: some)? {_any(wanted)}(?: (?:{price}))?"
        rf"|{_any(GOODBYES)}"
    )
    return Grammar(jsgf, _with_or_without_and(sentences), _with_or_without_and(changes))


def _with_or_without_and(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("hundred ", "hundred (?:and )?"))


def _any(phrases: Iterable[str]) -> str:
    return f"(?:{'|'.join(phrases)})"
