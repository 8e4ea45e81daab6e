"""Untrusted text made safe to read: bots' and models' text ends up on operators' terminals."""

from __future__ import annotations

import re
from typing import Final

_ESCAPE_SEQUENCES: Final = re.compile(
    # A control sequence, such as a colour (ECMA-48, 5.4); a string for the terminal, such as its title (5.6);
    # and any other escape. Each begins with ESC and a letter, or with one character of its own.
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[PX\]^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CUT_FIRST: Final = 8
"""How many times longer than the result the examined text may be."""


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded: JSON and the environment can bring halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str, limit: int) -> str:
    """Return one line of at most `limit` printable characters, without escape sequences.

    Unprintable characters become spaces: line breaks, control characters, marks that change the writing
    direction, characters without width, and halves of surrogate pairs.
    """
    if len(text) <= limit and text.isprintable():
        return text
    plain = _ESCAPE_SEQUENCES.sub("", text[: limit * _CUT_FIRST])
    words = "".join(char if char.isprintable() else " " for char in plain).split()
    return " ".join(words)[:limit]
