"""The sentences the sandbox's ears can make out, as a JSGF grammar."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sandbox.gemini.intents import GOODBYES, REMOVE_VERBS, SAVE_VERBS, SEARCH_VERBS
from sandbox.numbers import words_for_number

_TEMPLATE: Final = """#JSGF V1.0;
grammar requests;
public <request> = <change> | <search> | <goodbye>;
<change> = ({change_verbs}) (product | number) <number>;
<search> = ({search_verbs}) [a | an | some | the] <thing> [<price>];
<price> = (under | below | over) <amount> dollars | between <amount> and <amount> dollars;
<goodbye> = {goodbyes};
<thing> = {things};
<amount> = {amounts};
<number> = <below_hundred> | (one | two) hundred [[and] <below_hundred>];
<below_hundred> = <unit> | ten | eleven | twelve | thirteen | fourteen | fifteen | sixteen | seventeen
  | eighteen | nineteen | (twenty | thirty | forty | fifty | sixty | seventy | eighty | ninety) [<unit>];
<unit> = one | two | three | four | five | six | seven | eight | nine;
"""

_AMOUNTS: Final = (10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100, 150, 200, 300, 500)


def request_grammar(things: Iterable[str]) -> str:
    """The grammar of requests.

    Args:
        things: What a caller may look for, in lower-case words that the dictionary knows.
    """
    return _TEMPLATE.format(
        change_verbs=" | ".join(verb for verb in (*SAVE_VERBS, *REMOVE_VERBS) if verb != "add"),
        search_verbs=" | ".join(SEARCH_VERBS),
        goodbyes=" | ".join(GOODBYES),
        things=" | ".join(sorted(set(things))),
        amounts=" | ".join(words_for_number(amount) for amount in _AMOUNTS),
    )
