"""Secrets in what a bot's process writes."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from podline.runner.masking import mask_standard_streams, secrets_of


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "DEEPGRAM_APIKEY",
        "STRIPE_SECRET",
        "DB_PASSWORD",
        "AUTH_TOKEN",
        "GOOGLE_CREDENTIALS",
        "KEY",
    ],
)
def test_a_variable_that_is_named_like_a_secret_is_one(name: str) -> None:
    assert secrets_of({name: "s3cret-value"}) == ["s3cret-value"]


@pytest.mark.parametrize("name", ["MONKEY", "TOKENIZER", "KEYBOARD_LAYOUT", "USER_ID"])
def test_other_variables_are_not(name: str) -> None:
    assert secrets_of({name: "a long enough value"}) == []


def test_what_is_too_short_to_protect_anything_would_only_blot_out_words() -> None:
    assert secrets_of({"OPENAI_API_KEY": "none"}) == []


def test_a_secret_that_is_part_of_another_leaves_nothing_of_that_one() -> None:
    streams = SimpleNamespace(stdout=io.StringIO(), stderr=io.StringIO())
    written = streams.stdout
    mask_standard_streams(secrets_of({"A_KEY": "12345678", "B_KEY": "12345678-90"}), streams)

    print("my keys: 12345678-90 and 12345678", file=streams.stdout)
    streams.stdout.writelines(["12345678", "\n"])

    assert written.getvalue() == "my keys: *** and ***\n***\n"
