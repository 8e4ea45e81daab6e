"""Strangers' text is one printable line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.contract.text import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("The caller left.", "The caller left."),
        ("Käse, 日本 and 😀", "Käse, 日本 and 😀"),
        ("one\ntwo\r\nthree\tfour", "one two three four"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b1mbold", "bold"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPpayload\x1b\\text", "text"),
        ("\x1bctext", "text"),
        ("\x1b", ""),
        ("a\u202eb\u2066c\u200bd\ufeffe", "a b c d e"),
        ("\ud800half", "half"),
        ("x" * 50, "x" * 20),
    ],
)
def test_what_is_left_of_it(text: str, expected: str) -> None:
    assert printable(text, 20 if len(text) == 50 else 100) == expected


@given(st.text(max_size=300), st.integers(1, 100))
def test_it_is_printable_and_short_whatever_it_was(text: str, limit: int) -> None:
    line = printable(text, limit)

    assert line.isprintable()
    assert len(line) <= limit
    line.encode()
