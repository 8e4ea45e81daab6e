"""The shopping assistant's own variables."""

from pathlib import Path

import pytest

from bot.settings import ShoppingSettings, read_settings
from podline.errors import WrongVariables

GOOD = {"GOOGLE_API_KEY": "google-secret", "CONVEX_URL": "https://happy-otter-1.convex.site/"}


def read(**changes: str) -> ShoppingSettings:
    return read_settings({**GOOD, **changes})


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(WrongVariables) as caught:
        read_settings(environment)
    return caught.value.message


def test_a_key_and_an_address_are_all_it_needs() -> None:
    settings = read()

    assert settings.convex_url == "https://happy-otter-1.convex.site"
    assert (settings.convex_token, settings.stop_secs, settings.persona) == (None, 0.5, None)


def test_every_variable_lands_in_its_field() -> None:
    settings = read(
        CONVEX_TOKEN="convex-secret", PODLINE_PERSONA="/etc/podline/ana.toml", PODLINE_STOP_SECS="0.8"
    )

    assert (settings.google_api_key, settings.convex_token) == ("google-secret", "convex-secret")
    assert (settings.stop_secs, settings.persona) == (0.8, Path("/etc/podline/ana.toml"))


def test_all_that_is_wrong_is_named_in_one_line() -> None:
    said = refusal({"GEMINI_API_KEY": "google-secret", "CONVEX_URL": "ftp://x", "PODLINE_STOP_SECS": "nan"})

    assert said == (
        "GOOGLE_API_KEY is missing (GEMINI_API_KEY is set: rename it to GOOGLE_API_KEY); "
        'CONVEX_URL is "ftp://x", which is not an http(s) URL; '
        'PODLINE_STOP_SECS is "nan", but should be a finite number; '
        "correct this and start again."
    )


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_key_counts_as_missing(blank: str) -> None:
    assert "GOOGLE_API_KEY is missing" in refusal({**GOOD, "GOOGLE_API_KEY": blank})


def test_the_newline_that_a_secret_file_ends_with_is_no_part_of_a_key() -> None:
    assert read(GOOGLE_API_KEY="google-secret\n").google_api_key == "google-secret"


def test_a_convex_cloud_address_is_refused_with_the_one_to_use() -> None:
    said = refusal({**GOOD, "CONVEX_URL": "https://happy-otter-1.convex.cloud"})

    assert ".convex.cloud" in said
    assert ".convex.site" in said


def test_a_key_in_the_variable_of_an_address_is_not_repeated() -> None:
    said = refusal({**GOOD, "CONVEX_URL": "AIzaSecret"})

    assert "CONVEX_URL is not an http(s) URL" in said
    assert "ecret" not in said


def test_no_secret_stands_in_the_printed_settings() -> None:
    printed = repr(read(CONVEX_TOKEN="convex-secret"))

    assert "secret" not in printed
    assert "happy-otter" in printed


@pytest.mark.parametrize("value", ["0.05", "-1", "inf", "nan", "half", "1e9"])
def test_a_stop_time_out_of_range_is_refused(value: str) -> None:
    assert f'PODLINE_STOP_SECS is "{value}", but should be' in refusal({**GOOD, "PODLINE_STOP_SECS": value})


def test_a_blank_stop_time_is_the_default() -> None:
    assert read(PODLINE_STOP_SECS="").stop_secs == 0.5
