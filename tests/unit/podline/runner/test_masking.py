"""Secrets in what a bot's process writes."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from urllib.parse import quote

import pytest

from podline.runner.masking import Secrets, mask_standard_streams

PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
ACCOUNT = json.dumps({"type": "service_account", "keys": [{"private_key": PRIVATE_KEY}]}, indent=2)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "DEEPGRAM_APIKEY",
        "API_KEYS",
        "STRIPE_SECRET",
        "DB_PASSWORD",
        "PGPASSWORD",
        "SMTP_PASS",
        "AUTH_TOKEN",
        "GOOGLE_CREDENTIALS",
        "KEY",
    ],
)
def test_a_variable_that_is_named_like_a_secret_is_one(name: str) -> None:
    assert Secrets({name: "s3cret-value"}).without("it is s3cret-value") == "it is ***"


@pytest.mark.parametrize("name", ["MONKEY", "TOKENIZER", "KEYBOARD_LAYOUT", "USER_ID", "COMPASS"])
def test_other_variables_are_not(name: str) -> None:
    assert Secrets({name: "a long enough value"}).without("a long enough value") == "a long enough value"


def test_what_is_too_short_to_protect_anything_would_only_blot_out_words() -> None:
    assert Secrets({"OPENAI_API_KEY": "none"}).without("none of it") == "none of it"


def test_a_secret_that_is_part_of_another_leaves_nothing_of_that_one() -> None:
    streams = SimpleNamespace(stdout=io.StringIO(), stderr=io.StringIO())
    written = streams.stdout
    mask_standard_streams(Secrets({"A_KEY": "12345678", "B_KEY": "12345678-90"}), streams)

    print("my keys: 12345678-90 and 12345678", file=streams.stdout)
    streams.stdout.writelines(["12345678", "\n"])

    assert written.getvalue() == "my keys: *** and ***\n***\n"


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE_KEY,
        PRIVATE_KEY.splitlines()[1],
        repr({"PRIVATE_KEY": PRIVATE_KEY}),
        json.dumps([PRIVATE_KEY]),
        "https://api/?key=" + quote(PRIVATE_KEY.strip(), safe=""),
    ],
)
@pytest.mark.parametrize("variables", [{"PRIVATE_KEY": PRIVATE_KEY}, {"GOOGLE_CREDENTIALS": ACCOUNT}])
def test_a_secret_of_several_lines_is_masked_however_it_is_quoted(
    variables: dict[str, str], text: str
) -> None:
    assert "MIIEvQ" not in Secrets(variables).without(text)


def test_the_password_in_a_url_is_masked() -> None:
    secrets = Secrets({"DATABASE_URL": "postgres://shop:s3cret-value@db/shop"})

    assert secrets.without("postgres://shop:s3cret-value@db/shop") == "postgres://shop:***@db/shop"


def test_a_secret_that_comes_with_the_bot_is_masked_as_well() -> None:
    variables = {"USER_ID": "ana"}
    secrets = Secrets(variables)
    assert secrets.without("s3cret-value") == "s3cret-value"

    variables["OPENAI_API_KEY"] = "s3cret-value"

    assert secrets.without("s3cret-value") == "***"


def test_a_secret_that_another_replaced_stays_one() -> None:
    variables = {"OPENAI_API_KEY": "s3cret-value"}
    secrets = Secrets(variables)
    secrets.learn()

    variables["OPENAI_API_KEY"] = "another-value"
    secrets.learn()

    assert secrets.without("s3cret-value, another-value") == "***, ***"
