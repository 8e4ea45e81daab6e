"""What is read of a LiveKit token before it is shown to a server."""

import base64
import json
from typing import Any

import pytest

from podline.runner.room.grants import granted, missing_permission_of


@pytest.mark.parametrize(
    ("grant", "missing"),
    [
        ({}, None),
        ({"canPublish": True, "canSubscribe": True}, None),
        ({"canPublishSources": []}, None),
        ({"canPublishSources": ["microphone", "camera"]}, None),
        ({"canPublishSources": ["camera"]}, "send audio"),
        ({"canPublish": False}, "send audio"),
        ({"canSubscribe": False}, "hear the caller"),
        ({"canPublishSources": "microphone", "canPublish": None}, None),
    ],
)
def test_what_a_token_does_not_allow_is_known_before_the_join(
    grant: dict[str, Any], missing: str | None
) -> None:
    assert missing_permission_of(grant) == missing


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "a.é.c",
        *(f"a.{part}.c" for part in ("bnVsbA", "W10", "e30", "eyJ2aWRlbyI6MX0")),
    ],
)
def test_a_token_that_can_not_be_read_is_left_to_the_server(token: str) -> None:
    assert granted(token) == {}


def test_a_tokens_grant_is_read() -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"video": {"room": "a"}}).encode()).decode().rstrip("=")
    assert granted(f"a.{claims}.c") == {"room": "a"}
