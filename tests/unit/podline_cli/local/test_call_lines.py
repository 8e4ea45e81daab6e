"""What the terminal of `podline dev` shows of calls."""

import json

import pytest

from podline_cli.answers import SessionAnswer
from podline_cli.local.calls import line_for, problem_in
from tests.unit.podline_cli.fake_api import session

CRASH = "The bot raised KeyError in bot.py, line 7. The traceback ends with: KeyError: 'shelf'"


def shown_of(**fields: str) -> str | None:
    """What is shown of a call, without the time of day."""
    call = SessionAnswer.model_validate(session("01a22919-3d77-70f9-a71a-680ddd430ce2", **fields))
    line = line_for(call)
    return None if line is None else line.plain.strip().partition("  ")[2]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"phase": "starting"}, "dd430ce2  shopping  started  session 01a22919-3d77-70f9-a71a-680ddd430ce2"),
        ({"phase": "live"}, "dd430ce2  shopping  live after 1.2 s"),
        ({"phase": "stopping"}, None),
        (
            {"phase": "ended"},
            "dd430ce2  shopping  ended after 62.5 s: caller_left. The caller left the call.",
        ),
        (
            {"phase": "failed", "reason": "crashed", "message": CRASH},
            f"dd430ce2  shopping  failed after 62.5 s: crashed. {CRASH}",
        ),
    ],
)
def test_a_call_has_a_line_for_each_step(fields: dict[str, str], shown: str | None) -> None:
    assert shown_of(**fields) == shown


def log_line(**fields: str) -> str:
    return json.dumps({"at": "2026-11-30T09:15:02Z", "level": "error", "event": "library message"} | fields)


def test_an_error_in_an_event_handler_is_shown_with_the_last_line_of_its_traceback() -> None:
    line = log_line(
        logger="pipecat.utils.base_object",
        text="Exception in event handler on_client_connected:",
        through="bot.py:46 < base_object.py:200",
        exception="Traceback (most recent call last):\n  File ...\nKeyError: 'shelf'\n",
    )

    assert problem_in(line) == (
        "error: Exception in event handler on_client_connected, KeyError: 'shelf', in bot.py:46"
    )


@pytest.mark.parametrize(
    "line",
    [
        log_line(logger="podline.runner.session", event="the bot crashed"),
        log_line(logger="bot", event="call not begun", problem="bot.py can't be imported."),
        log_line(logger="bot", level="info", event="hello"),
        "plain text",
        "{",
        "[]",
    ],
)
def test_other_lines_are_not_repeated(line: str) -> None:
    assert problem_in(line) is None
