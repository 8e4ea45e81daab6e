"""What looks like a credential is taken out; what an operator wants to read stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtimes.kubernetes.redaction import MASK, redacted

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
        (f"joined with {TOKEN} at once", TOKEN),
        ("key AIzaSyA1234567890abcdefghijklmnopq is bad", "AIzaSyA1234567890abcdefghijklmnopq"),
        ("GOOGLE_API_KEY=hunter22 is not valid", "hunter22"),
        ('{"token": "hunter22", "room": "x"}', "hunter22"),
        ("password: hunter22", "hunter22"),
        ("https://ana:hunter22@store.example/x", "hunter22"),
        (f"launch token {'0a' * 32}", "0a" * 32),
    ],
)
def test_a_credential_is_masked(text: str, secret: str) -> None:
    shown = redacted(text)

    assert secret not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01T12:00:00Z INFO joined room https://rooms.example/cart-7",
        "launch 01a20cd9-6bac-7621-a137-43676a51b5e5 failed with exit code 67",
        "Failed to pull image registry.example/podline-bot:1.2.3: not found",
        "used 1200 prompt tokens and 300 completion tokens",
    ],
)
def test_an_ordinary_line_stays_as_it_is(line: str) -> None:
    assert redacted(line) == line


@given(st.text(max_size=30), st.text("abcXYZ019-_=+/", min_size=8, max_size=40), st.text(max_size=30))
def test_a_secret_that_is_known_survives_nowhere(before: str, secret: str, after: str) -> None:
    assert secret not in redacted(f"{before}{secret}{after}{secret}", [secret])
