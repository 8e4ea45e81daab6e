"""A bot's final report, read from where it was told to leave it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from podline.contract.messages import MAX_LAST_WORD_BYTES, FinalReport


def read_final_report(path: Path) -> tuple[FinalReport, datetime] | None:
    """The final report and when it was written; None where it is missing, too long or malformed."""
    try:
        with open(path, "rb", opener=_open) as file:
            text = file.read(MAX_LAST_WORD_BYTES + 1)
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except (OSError, ValueError, OverflowError):  # no file, or no moment of this era
        return None
    word = decode_final_report(text)
    return (word, written) if word is not None else None


def decode_final_report(text: bytes | str) -> FinalReport | None:
    """A final report as it was left; None where it is too long or malformed."""
    if len(text) > MAX_LAST_WORD_BYTES:
        return None
    try:
        return msgspec.json.decode(text, type=FinalReport)
    except (ValueError, RecursionError):  # malformed or no UTF-8; nested without end
        return None


def _open(path: str, flags: int) -> int:
    # What is no file must neither hold us up nor lead us elsewhere.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
