"""Secrets kept out of what a bot's process writes, also by code that is not ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TextIO

from podline.contract import environment as env

_MASK: Final = "***"
_SHORTEST: Final = 8
"""Characters. A shorter value may be part of any word; it protects nothing either."""
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|DSN|PRIVATE_KEY)(?:$|_)", re.IGNORECASE
)


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Return the values that must not be written: those of our own secrets, and of variables named like one.

    The longest come first, because one may be part of another.
    """
    values = {environment.get(name, "").strip() for name in env.SECRETS}
    values |= {value.strip() for name, value in environment.items() if _SECRET_NAME.search(name)}
    return sorted((value for value in values if len(value) >= _SHORTEST), key=len, reverse=True)


def without(secrets: Iterable[str], text: str) -> str:
    """Return the text with each of these masked."""
    for secret in secrets:
        text = text.replace(secret, _MASK)
    return text


class MaskedStream:
    """A standard stream that masks secrets in each write. Everything else is the stream's own."""

    def __init__(self, stream: TextIO, secrets: Iterable[str]) -> None:
        self._stream = stream
        self._secrets = tuple(secrets)

    def write(self, text: str) -> int:
        self._stream.write(without(self._secrets, text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_standard_streams(secrets: Iterable[str], streams: Any) -> None:
    """Mask secrets in what is written to `streams.stdout` and `streams.stderr`, which is `sys`."""
    masked = tuple(secrets)
    streams.stdout = MaskedStream(streams.stdout, masked)
    streams.stderr = MaskedStream(streams.stderr, masked)
