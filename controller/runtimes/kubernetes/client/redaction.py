"""Removal of everything that looks like a credential from text that others wrote. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"

_SHAPES: Final = (
    # A named secret: key=value, "key": "value".
    re.compile(
        r"(?i)\b([\w.-]*(?:token|secret|password|passwd|api[_-]?key|credential)[\w.-]*[\"']?\s*[:=]\s*[\"']?)"
        r"(?!\s)[^\s\"',;&]{4,}"
    ),
    re.compile(r"(?i)\b((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"),
    # JSON Web Tokens, as Daily's, LiveKit's and service accounts' are.
    re.compile(r"()\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"),
    # Google's keys: https://cloud.google.com/docs/authentication/api-keys
    re.compile(r"()\bAIza[A-Za-z0-9_-]{20,}"),
    # Gemini's ephemeral tokens, in addresses too: https://ai.google.dev/gemini-api/docs/ephemeral-tokens
    re.compile(r"(?i)()\bauth_tokens(?:/|%2F)[A-Za-z0-9._~+/=%-]+"),
    # Long hexadecimal digits, as our own tokens are.
    re.compile(r"()\b[0-9a-f]{40,}\b"),
    # A password in an address.
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),
)


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets, and without anything that has the shape of one."""
    # The longest first: one may begin like another.
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, MASK)
    for shape in _SHAPES:
        text = shape.sub(rf"\1{MASK}", text)
    return text
