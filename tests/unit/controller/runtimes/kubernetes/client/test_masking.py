"""What looks like a credential is taken out of others' text, and the rest of it stays."""

from __future__ import annotations

import hashlib
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.tokens import Signer
from controller.runtimes.kubernetes.client.redaction import MASK, redacted

JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
GOOGLE = "AIzaSyA" + "b1-_" * 8
OURS = Signer(b"a secret for tests").launch_token("launch-1")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Authorization: Bearer abc.DEF-123~xyz", "Authorization: Bearer ***"),
        ("authorization: bearer abcdefgh", "authorization: bearer ***"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic ***"),
        (f"joining with {JWT} now", "joining with *** now"),
        (f"connect?access_token={JWT}&room=a", "connect?access_token=***&room=a"),
        (f"key={GOOGLE}", "key=***"),
        (
            f"https://g.example/v1/models?key={GOOGLE}&alt=json",
            "https://g.example/v1/models?key=***&alt=json",
        ),
        ("Token auth_tokens/ab12-_Z is refused", "Token *** is refused"),
        ("wss://g.example/ws?alt=1&to=auth_tokens%2Fab12&a=b", "wss://g.example/ws?alt=1&to=***&a=b"),
        (f"launch token {OURS} refused", "launch token *** refused"),
        ("GOOGLE_API_KEY=abcdef", "GOOGLE_API_KEY=***"),
        ("DAILY_API_KEY: 'abcdef'", "DAILY_API_KEY: '***'"),
        ('{"api_key": "abcdef", "room": "a"}', '{"api_key": "***", "room": "a"}'),
        ("apikey=abcdef", "apikey=***"),
        ("client_secret=abcdef;next=1", "client_secret=***;next=1"),
        ("password: hunter22", "password: ***"),
        ("DAILY_TOKEN=abcdef", "DAILY_TOKEN=***"),
        ("credentials=abcdef", "credentials=***"),
        ("postgres://ana:hunter2@db.example/shop", "postgres://ana:***@db.example/shop"),
        ("redis://:hunter2@cache.example:6379/0", "redis://:***@cache.example:6379/0"),
        ("redis://ana:a:b:c@cache.example", "redis://ana:***@cache.example"),
    ],
)
def test_a_credential_is_masked(line: str, expected: str) -> None:
    assert redacted(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T12:00:00.123Z INFO joined the room",
        f"session 0196f3a2-7c1e-7b33-9d4e-1c2a3b4c5d6e of launch {uuid.UUID(int=7)}",
        "https://rooms.example/cart-7?t=1700000000#top",
        "http://podline.podline.svc:80/internal/launches/launch-1/reports 200 in 3.1 ms",
        "Traceback (most recent call last): File '/app/podline/runner/session.py', line 120, in run",
        "used 1200 prompt tokens, 340 completion tokens in gemini-2.5-flash-native-audio",
        "image registry.example/podline-bot@sha256:deadbeef",
        "the token was refused: it has expired",
        "bearer of bad news",
        'Back-off pulling image "podline-bot:1"',
        "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available",
        "a basic set of rules",
        "mail ana@shop.example about order 12:30",
        f"commit {hashlib.sha256(b'').hexdigest()[:12]}",
    ],
)
def test_what_an_operator_wants_to_read_stays(line: str) -> None:
    assert redacted(line) == line


PIECES = st.text(max_size=30)
SECRETS = st.text(string.printable, min_size=1, max_size=60).filter(lambda text: text not in MASK)


@given(st.lists(PIECES, min_size=1, max_size=4), SECRETS)
def test_a_secret_that_is_known_is_nowhere(pieces: list[str], secret: str) -> None:
    assert secret not in redacted(secret.join(pieces), [secret])


@given(st.text("abc", min_size=1, max_size=30), st.text("xyz", min_size=1, max_size=30))
def test_of_a_secret_that_begins_like_another_nothing_is_left(one: str, rest: str) -> None:
    assert redacted(f"{one}{rest}", [one, f"{one}{rest}"]) == MASK


@given(st.text(max_size=200))
def test_text_of_any_kind_is_taken_and_masking_again_changes_nothing(text: str) -> None:
    once = redacted(text)

    assert redacted(once) == once


@given(st.text("0123456789abcdef", min_size=64, max_size=64), PIECES)
def test_a_token_of_ours_is_masked_wherever_words_end(token: str, text: str) -> None:
    assert token not in redacted(f"{text} {token} {text}")
