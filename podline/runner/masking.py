"""Secrets kept out of what a bot's process writes, also by code that is not ours.

What is masked is what Python writes to its standard streams, in one piece. Whoever writes to their file
descriptors, or a child process, is not masked.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO
from urllib.parse import quote, urlsplit

from podline.contract import environment as env

_MASK: Final = "***"
_SHORTEST: Final = 8
"""Characters. A shorter value may be part of any word; it protects nothing either."""
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|(?:PG)?PASSWORD|PASSWD|PASS|CREDENTIAL|DSN)S?(?:$|_)", re.IGNORECASE
)


class Secrets:
    """The values that must not be written: those of our own secrets, and of variables named like one.

    A bot's `.env` file adds variables, as a rule while it is imported.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._count = -1
        self._known: set[str] = set()
        self._longest_first: tuple[str, ...] = ()

    def learn(self) -> None:
        """Take the secrets of the environment as it is now, in each form in which they may be written."""
        self._count = len(self._environment)
        secrets = {part for name, value in self._environment.items() for part in _secrets_in(name, value)}
        self._known |= {form for secret in secrets for form in _forms_of(secret) if len(form) >= _SHORTEST}
        # One may be part of another.
        self._longest_first = tuple(sorted(self._known, key=len, reverse=True))

    def without(self, text: str) -> str:
        """Return the text with each of them masked."""
        if len(self._environment) != self._count:
            self.learn()
        for secret in self._longest_first:
            text = text.replace(secret, _MASK)
        return text


def _secrets_in(name: str, value: str) -> Iterator[str]:
    """Yield what is secret of a variable: all of it, what is secret in its JSON, or its URL's password."""
    if name in env.SECRETS or _SECRET_NAME.search(name):
        yield value.strip()
        with contextlib.suppress(ValueError, RecursionError):
            yield from _secrets_of_json(json.loads(value))
    elif "://" in value and "@" in value:
        with contextlib.suppress(ValueError):
            yield urlsplit(value).password or ""


def _secrets_of_json(value: object) -> Iterator[str]:
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for name, each in items:
        if isinstance(each, str) and _SECRET_NAME.search(str(name)):
            yield each.strip()
        else:
            yield from _secrets_of_json(each)


def _forms_of(secret: str) -> Iterator[str]:
    """Yield the secret as it is, line by line, and as JSON, Python and URLs quote it."""
    yield secret
    yield from (line.strip() for line in secret.splitlines())
    yield json.dumps(secret)[1:-1]
    yield repr(secret)[1:-1]
    yield quote(secret, safe="")


class MaskedStream:
    """A standard stream that masks secrets in each write. Everything else is the stream's own."""

    def __init__(self, stream: TextIO, secrets: Secrets) -> None:
        self._stream = stream
        self._secrets = secrets

    def write(self, text: str) -> int:
        self._stream.write(self._secrets.without(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_standard_streams(secrets: Secrets, streams: Any) -> None:
    """Mask secrets in what is written to `streams.stdout` and `streams.stderr`, which is `sys`."""
    streams.stdout = MaskedStream(streams.stdout, secrets)
    streams.stderr = MaskedStream(streams.stderr, secrets)
    # Who restores the first streams, or compares with them, gets the masked ones.
    streams.__stdout__, streams.__stderr__ = streams.stdout, streams.stderr
