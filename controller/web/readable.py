"""A bot's output made safe for a terminal: unprintable characters except line breaks and tabs are escaped."""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator
from typing import Final

_UNREADABLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
"""Control characters, marks of writing direction, and invisible characters."""


async def readable(output: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the output with such characters escaped, and invalid UTF-8 as replacement characters."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    async for piece in output:
        if text := decoder.decode(piece):
            yield _escaped(text)
    if rest := decoder.decode(b"", final=True):
        yield _escaped(rest)


def _escaped(text: str) -> bytes:
    return _UNREADABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text).encode()
