"""`podline logs`: as events in words, as lines, as JSON, and which line says why a bot failed."""

import json

import pytest
from rich.text import Text

from podline_cli.errors import ExitCode
from podline_cli.log_lines import LogView
from podline_cli.text import MOST_OF_A_LINE, split_lines
from tests.unit.podline_cli.conftest import Podline
from tests.unit.podline_cli.fake_api import FakeApi, session

EVENT = (
    '{"at": "2026-11-30T09:15:02.418+00:00", "level": "error", "logger": "podline.runner", '
    '"event": "call ended", "session_id": "cart-7f3a", "reason": "crashed", "words": "two of them"}'
)
TRACEBACK = """\
Traceback (most recent call last):
  File "/app/bot.py", line 3, in <module>
    import shop
ModuleNotFoundError: No module named 'shop'
after it
"""


def shown(*lines: str) -> list[Text]:
    view = LogView()
    return [text for line in lines for text in view.shown(line)]


def test_a_pipe_gets_the_lines_as_the_bot_wrote_them(at: Podline, api: FakeApi) -> None:
    api.sessions, api.logs = [session()], {"cart-7f3a": f"{EVENT}\nplain\n".encode()}

    assert at("logs", "cart-7f3a").out == f"{EVENT}\nplain\n"


def test_each_line_is_an_object_in_json(at: Podline, api: FakeApi) -> None:
    api.sessions, api.logs = [session()], {"cart-7f3a": f"{EVENT}\nplain\n".encode()}
    lines = at("logs", "cart-7f3a", "-o", "json").out.splitlines()

    assert [json.loads(line) for line in lines] == [json.loads(EVENT), {"text": "plain"}]


def test_a_log_is_followed_if_asked(at: Podline, api: FakeApi) -> None:
    api.sessions = [session()]
    at("logs", "cart-7f3a", "-f")

    assert api.seen[0].path == "/v1/sessions/cart-7f3a/logs?follow=true"


def test_a_failed_bot_s_last_words_come_last(at: Podline, api: FakeApi) -> None:
    api.sessions = [session(phase="failed", reason="crashed", message="The bot crashed. Correct it.")]
    api.logs = {"cart-7f3a": TRACEBACK.encode()}
    outcome = at("logs", "cart-7f3a")

    assert outcome.code == ExitCode.OK
    assert outcome.err.splitlines() == [
        "The bot failed (crashed): The bot crashed. Correct it.",
        "ModuleNotFoundError: No module named 'shop'",
    ]


def test_the_log_of_an_unknown_session_is_not_found(at: Podline) -> None:
    assert at("logs", "nope").code == ExitCode.NOT_FOUND


def test_an_event_is_shown_in_words() -> None:
    [text] = shown(EVENT)

    assert text.plain[8:] == '.418 ERROR   call ended                   reason=crashed words="two of them"'


def test_only_the_last_line_of_a_traceback_is_highlighted() -> None:
    texts = shown(*TRACEBACK.splitlines())

    assert [each.plain for each in texts if "on red" in str(each.style)] == [
        "ModuleNotFoundError: No module named 'shop'"
    ]
    assert texts[-1].style == ""


def test_an_event_s_traceback_is_shown_below_it() -> None:
    event = json.loads(EVENT) | {"exception": TRACEBACK.removesuffix("after it\n")}
    view = LogView()
    texts = [each.plain for each in view.shown(json.dumps(event))]

    assert texts[1:3] == [
        "    Traceback (most recent call last):",
        '      File "/app/bot.py", line 3, in <module>',
    ]
    assert view.failure == "ModuleNotFoundError: No module named 'shop'"


@pytest.mark.parametrize("line", ["{", '{"event": 3}', "{}", "[1]", '{"x": "y"}', "{" * 100_000, ""])
def test_a_line_that_is_no_event_is_shown_as_it_is(line: str) -> None:
    assert shown(line)[0].plain == (line if len(line) <= MOST_OF_A_LINE else line[:MOST_OF_A_LINE] + "…")


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59", "yesterday", 5, None, [], "0001-01-01T00:00:00"])
def test_an_event_of_no_time_is_shown_without_one(at: object) -> None:
    assert shown(json.dumps({"at": at, "event": "odd"}))[0].plain.endswith(f"{'odd':28}")


def test_lines_are_found_wherever_the_stream_is_cut() -> None:
    whole = "eins\nzwölf\n\nende".encode()

    for cut in range(len(whole)):
        assert [*split_lines([whole[:cut], whole[cut:]])] == ["eins", "zwölf", "", "ende"]


def test_a_line_without_an_end_is_shown_in_parts() -> None:
    pieces = [b"x" * 10_000] * 10

    assert [len(line) for line in split_lines(pieces)] == [40_000, 40_000, 20_000]
