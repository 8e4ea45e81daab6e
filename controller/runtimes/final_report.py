"""A bot's last word, read from where it was told to leave it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from podline.contract.messages import MAX_LAST_WORD_BYTES, LastWord


def read_last_word(path: Path) -> tuple[LastWord, datetime] | None:
    """The last word and when it was written; None where it is missing, too long or malformed."""
    try:
        with open(path, "rb", opener=_open) as file:
            text = file.read(MAX_LAST_WORD_BYTES + 1)
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except (OSError, ValueError, OverflowError):  # no file, or no moment of this era
        return None
    word = decode_last_word(text)
    return (word, written) if word is not None else None


def decode_last_word(text: bytes | str) -> LastWord | None:
    """A last word as it was left; None where it is too long or malformed."""
    if len(text) > MAX_LAST_WORD_BYTES:
        return None
    try:
        return msgspec.json.decode(text, type=LastWord)
    except (ValueError, RecursionError):  # malformed or no UTF-8; nested without end
        return None


def _open(path: str, flags: int) -> int:
    # What is no file must neither hold us up nor lead us elsewhere.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
