"""Text from a server, made safe for a terminal."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from podline.contract.text import printable

MOST_CHARACTERS: Final = 4096
"""Of one field. The controller's own limits are lower."""

MOST_OF_A_LINE: Final = 32 * 1024


def _field(value: Any) -> Any:
    return printable(value, MOST_CHARACTERS) if isinstance(value, str) else value


SafeText = Annotated[str, BeforeValidator(_field)]
"""One line without anything that a terminal would act upon."""


def safe_line(line: str) -> str:
    """Return a line of a log with unprintable characters escaped, cut off where it is too long to be read."""
    cut = line[:MOST_OF_A_LINE].expandtabs(4)
    shown = cut if cut.isprintable() else "".join(map(_escaped, cut))
    return f"{shown}…" if len(line) > MOST_OF_A_LINE else shown


def _line(value: Any) -> Any:
    return safe_line(value) if isinstance(value, str) else value


SafeLine = Annotated[str, BeforeValidator(_line)]
"""A line of a log, with what a terminal would act upon escaped."""


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def cell(text: str) -> str:
    """Return a text as one cell of a tab-separated table."""
    return printable(text, MOST_CHARACTERS)


def split_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a stream; what is longer than a line may be is yielded in parts."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    begun = ""
    for piece in pieces:
        *whole, begun = (begun + decoder.decode(piece)).split("\n")
        yield from whole
        if len(begun) > MOST_OF_A_LINE:
            yield begun
            begun = ""
    begun += decoder.decode(b"", final=True)
    if begun:
        yield begun
