"""The version of Podline, and that of the contract between bots and controllers of different releases.

The contract covers a bot's environment, its messages, and the records that one controller leaves for the
next. It is a number, which a session keeps from its start to its end: it is in the bot's environment, in each
of its reports, and on its Job. Additions that an older release can ignore (a field, a variable, a kind of
event) leave the number as it is. Anything that an older release would misread takes the next number, in two
steps: one release speaks it, the next release starts sessions in it. So neighbouring releases understand each
other, whichever is the newer one.
"""

from typing import Final

VERSION: Final = "0.1.0"
"""Equal to `pyproject.toml`'s: images contain no package metadata to read it from."""

CONTRACT: Final = 1
"""The contract in which sessions are started, and versions of agents are stored."""

SPOKEN: Final = (1,)
"""The contracts that this release reads and writes."""

UNNUMBERED: Final = 1
"""The contract of what has no number: it was written before there were numbers."""


def why_unspoken(contract: int) -> str | None:
    """Return why this release can't read or write a contract, as a clause; None if it can."""
    if contract in SPOKEN:
        return None
    return f"is contract {contract}, but Podline {VERSION} speaks {' and '.join(map(str, SPOKEN))}"
