"""Grants in a LiveKit token, and those that a bot needs and lacks."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any


def granted(token: str) -> Mapping[str, Any]:
    """Return a token's grants, as far as it can be read; the server verifies it."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        grant = claims["video"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return {}
    return grant if isinstance(grant, dict) else {}


def missing_permission_of(grant: Mapping[str, Any]) -> str | None:
    """Return what a bot must be able to do and this token forbids; unnamed permissions are granted."""
    sources = grant.get("canPublishSources")
    return missing_permission(
        may_publish=grant.get("canPublish") is not False,
        may_subscribe=grant.get("canSubscribe") is not False,
        sources=sources if isinstance(sources, list) else [],
        microphone="microphone",
    )


def missing_permission(
    *, may_publish: bool, may_subscribe: bool, sources: list[str], microphone: str
) -> str | None:
    """Return what a bot must be able to do and may not. `sources` are what it may publish; none means all."""
    if not may_subscribe:
        return "hear the caller"
    if not may_publish or (sources and microphone not in sources):
        return "send audio"
    return None
