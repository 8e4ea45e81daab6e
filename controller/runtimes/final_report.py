"""A bot's final report, read from the file or message that it was written to."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from podline.contract import reading
from podline.contract.encoding import DecodeError
from podline.contract.messages import MAX_LAST_WORD_BYTES, FinalReport


def read_final_report(path: Path) -> tuple[FinalReport, datetime] | None:
    """Return the final report and when it was written; None if it is missing, too long or malformed."""
    try:
        with open(path, "rb", opener=_open) as file:
            text = file.read(MAX_LAST_WORD_BYTES + 1)
            written = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
    except (OSError, ValueError, OverflowError):  # no file, or an impossible time
        return None
    report = decode_final_report(text)
    return (report, written) if report is not None else None


def decode_final_report(text: bytes | str) -> FinalReport | None:
    """Decode a final report; None if it is too long or malformed."""
    if len(text) > MAX_LAST_WORD_BYTES:
        return None
    try:
        return reading.read_final_report(text)
    except DecodeError:
        return None


def _open(path: str, flags: int) -> int:
    # A pipe must not block us, and a link must not lead elsewhere.
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)
