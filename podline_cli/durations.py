"""Times and spans of time, as people write and read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Final

from podline_cli.errors import CommandError, ExitCode

_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment_of(text: str, now: datetime) -> datetime:
    """Read `90m`, `24h` and `7d` as that long ago, and anything else as an ISO 8601 date or time."""
    if span := _SPAN.fullmatch(text):
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CommandError(
            "--since is a span such as 90m, 24h or 7d, or a date such as 2026-01-31 or 2026-01-31T09:00Z.",
            code=ExitCode.USAGE,
        ) from None


def span(seconds: float) -> str:
    """Write a span: `0.42 s`, `12.3 s`, `3:05`, `1:02:03`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock(moment: datetime, now: datetime) -> str:
    """Write a moment for a person: the local time, with the date if it is not today's."""
    local, today = moment.astimezone(), now.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M}"


def rfc3339(moment: datetime) -> str:
    """Write a moment for a program."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_now() -> datetime:
    return datetime.now(UTC)


def pauses() -> Iterator[float]:
    """Yield how long to wait between two questions: first often, then once a second."""
    yield from (0.1, 0.2, 0.4, 0.8)
    yield from repeat(1.0)
