"""What a bot's log holds, and what it never does."""

import subprocess
import sys

import pytest

from bot.logs import told, without_quotes

LOG = """
import asyncio, logging
from loguru import logger
from bot.logs import configure_logging
configure_logging(["sekret"])
%s
"""


def logged(code: str) -> str:
    """Standard error of a process of its own, since logging is a process's."""
    command = [sys.executable, "-c", LOG % code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr  # noqa: S603


def test_a_crash_is_logged_with_its_type_and_places_and_not_with_its_text() -> None:
    said = logged(
        "try:\n"
        "    raise ExceptionGroup('all', [KeyError('what the caller said')])\n"
        "except Exception as error:\n"
        "    logger.patch(lambda r: r.update(name='bot.x')).opt(exception=error).error('the call crashed')\n"
    )

    assert "the call crashed error=KeyError" in said
    assert "what the caller said" not in said
    assert len(said.splitlines()) == 1


def test_a_secret_is_masked_in_a_library_s_own_logging_too() -> None:
    said = logged("logging.getLogger('some.library').warning('the key is sekret')")

    assert "some.library the key is ***" in said
    assert "sekret" not in said


def test_the_place_of_an_error_is_told() -> None:
    try:
        int("no number")
    except ValueError as error:
        line = told(error)

    assert line.startswith(" error=ValueError at=test_logs.py:")


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("GeminiLive#0 Error processing frame: I said this", "GeminiLive#0 Error processing frame"),
        ("Error parsing JSON message {'text': 'mine'}, no", "Error parsing JSON message"),
        ("Task exception was never retrieved future: <...'mine'>", "Task exception was never retrieved"),
        ("joined, waiting for the caller", "joined, waiting for the caller"),
    ],
)
def test_what_somebody_sent_is_cut_from_a_library_s_line(message: str, kept: str) -> None:
    assert without_quotes(message) == kept


def test_levels_below_a_warning_of_a_library_are_not_logged() -> None:
    assert logged("logging.getLogger('some.library').info('chatter')") == ""
