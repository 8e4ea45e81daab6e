"""What a bot's log holds, and what it never does."""

import json
import subprocess
import sys

import pytest

from podline.runner.logs import describe, without_quotes

LOG = """
import asyncio, logging
from loguru import logger
from podline.runner.logs import LoggedCall, configure_logging
from podline.runner.masking import Secrets
configure_logging(LoggedCall("s-1", shows_errors=%s), Secrets({"A_KEY": "sekret-key"}))
%s
"""


def logged(code: str, *, shows_errors: bool = False) -> list[dict[str, object]]:
    """What a process of its own logs, since logging is a process's."""
    command = [sys.executable, "-c", LOG % (shows_errors, code)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr  # noqa: S603
    return [json.loads(line) for line in said.splitlines()]


def test_an_event_is_one_line_of_json_that_names_the_session() -> None:
    [line] = logged("logger.info('call ending', reason='idle', seconds=2.5)")

    assert str(line.pop("at")).endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "bot",
        "event": "call ending",
        "session_id": "s-1",
        "reason": "idle",
        "seconds": 2.5,
    }


def test_a_crash_is_logged_with_its_type_and_places_and_not_with_its_text() -> None:
    [line] = logged(
        "try:\n"
        "    raise ExceptionGroup('all', [KeyError('what the caller said')])\n"
        "except Exception as error:\n"
        "    logger.opt(exception=error).error('call crashed')\n"
    )

    assert (line["event"], line["error"]) == ("call crashed", "KeyError")
    assert "what the caller said" not in str(line)


def test_where_bots_are_developed_a_crash_is_logged_with_its_traceback_without_secrets() -> None:
    [line] = logged(
        "try:\n"
        "    raise KeyError('sekret-key')\n"
        "except Exception as error:\n"
        "    logger.opt(exception=error).error('call crashed')\n",
        shows_errors=True,
    )

    assert str(line["exception"]).startswith("Traceback (most recent call last):")
    assert str(line["exception"]).strip().splitlines()[-1] == "KeyError: '***'"


def test_a_secret_is_masked_in_a_library_s_own_logging_too() -> None:
    [line] = logged("logging.getLogger('some.library').warning('the key is sekret-key')")

    assert line["logger"] == "some.library"
    assert (line["event"], line["text"]) == ("library message", "the key is ***")


@pytest.mark.parametrize(
    "code",
    [
        "import warnings; warnings.warn('an old way', RuntimeWarning)",
        "import threading; threading.Thread(target=lambda: int('what the caller said')).start()",
        "type('Late', (), {'__del__': lambda _: int('what the caller said')})()",
        """
async def fail(): int('what the caller said')
async def main(): task = asyncio.create_task(fail()); await asyncio.sleep(0.01); del task
asyncio.run(main())
""",
    ],
    ids=["a warning", "a thread that crashes", "an error in a finaliser", "a task that nobody awaits"],
)
def test_what_python_itself_has_to_say_is_a_line_like_any_other(code: str) -> None:
    [line] = logged(code)

    assert line["session_id"] == "s-1"
    assert "what the caller said" not in str(line)


def test_the_place_of_an_error_is_describe() -> None:
    with pytest.raises(ValueError, match="no number") as caught:
        int("no number")
    line = describe(caught.value)

    assert line["error"] == "ValueError"
    assert line["through"].startswith("test_logs.py:")


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
    assert logged("logging.getLogger('some.library').info('chatter')") == []


def test_a_bot_may_remove_loguru_s_own_sink_by_its_number() -> None:
    form = '{{"mine": "{message}"}}'
    code = f"import sys\nlogger.remove(0)\nlogger.add(sys.stderr, format={form!r})\nlogger.info('hello')"

    assert logged(code) == [{"mine": "hello"}]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("logging.addLevelName(35, 'NOTICE')\nlogging.log(35, 'closed')", "closed"),
        ("logging.addLevelName(30, 'Careful')\nlogging.warning('closed')", "closed"),
        ("logging.warning('%d', 'what the caller said')", "a message whose arguments don't fit"),
    ],
)
def test_no_line_of_the_standard_library_s_raises_where_it_is_logged(code: str, text: str) -> None:
    [line] = logged(code)

    assert line["text"] == text
