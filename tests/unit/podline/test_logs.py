"""What a line of log looks like, to a machine and to a person."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.logs import Line, as_coloured_text, as_json, as_text, form_for

AT = datetime(2026, 11, 24, 16, 7, 4, 123_456, tzinfo=UTC)
FIELDS = {"session_id": "s-1", "reason": "idle", "status": 503, "note": 'two words\nand a "line"'}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def line(**parts: object) -> Line:
    return Line(**{"at": AT, "level": "info", "logger": "podline.tests", "event": "session ended"} | parts)  # type: ignore[arg-type]


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The operator's clock, put back afterwards."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def test_a_machine_gets_time_level_logger_event_and_fields() -> None:
    assert json.loads(as_json(line(fields=FIELDS, exception="ValueError: broken"))) == {
        "at": "2026-11-24T16:07:04.123+00:00",
        "level": "info",
        "logger": "podline.tests",
        "event": "session ended",
        **FIELDS,
        "exception": "ValueError: broken",
    }


@pytest.mark.usefixtures("in_berlin")
def test_a_person_reads_local_time_event_and_fields_in_columns() -> None:
    assert as_text(line(fields=FIELDS)) == (
        "17:07:04.123 INFO    session ended                "
        r'session_id=s-1 reason=idle status=503 note="two words\nand a \"line\"" podline.tests'
    )


def test_fields_of_all_levels_and_events_stand_below_each_other() -> None:
    lines = [
        as_text(line(fields=FIELDS, level=level, event=event))
        for level, event in (("info", "call ending"), ("warning", "watch lost"), ("error", "call crashed"))
    ]
    assert len({each.index("session_id=") for each in lines}) == 1


def test_a_traceback_is_indented_below_its_line() -> None:
    first, *rest = as_text(line(exception="Traceback:\n  in main\nValueError: \x1b[2Jbroken")).splitlines()

    assert first.endswith("podline.tests")
    assert rest == ["    Traceback:", "      in main", r"    ValueError: \x1b[2Jbroken"]


def test_colours_change_nothing_that_is_read() -> None:
    shown = line(fields=FIELDS, level="warning")

    assert COLOUR.search(as_coloured_text(shown))
    assert COLOUR.sub("", as_coloured_text(shown)) == as_text(shown)


@pytest.mark.parametrize(
    ("stream", "environment", "form"),
    [
        (io.StringIO(), {"TERM": "xterm"}, as_json),
        (Terminal(), {"TERM": "xterm"}, as_coloured_text),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, as_text),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, as_coloured_text),
        (Terminal(), {"TERM": "dumb"}, as_text),
    ],
)
def test_words_are_for_terminals_and_colours_for_those_who_want_them(
    stream: io.StringIO, environment: dict[str, str], form: object
) -> None:
    assert form_for(stream, environment) is form


@given(fields=st.dictionaries(st.text(), st.text() | st.integers() | st.none()), level=st.text())
def test_whatever_a_field_holds_an_event_is_one_line_and_keeps_its_own_parts(
    fields: dict[str, object], level: str
) -> None:
    shown = line(fields=fields, level=level)
    found = json.loads(as_json(shown))

    assert "\n" not in as_json(shown)
    assert (found["level"], found["event"]) == (level, "session ended")


@given(value=st.text())
def test_no_value_reaches_a_terminal_as_a_line_or_a_command_of_its_own(value: str) -> None:
    assert as_text(line(fields={"note": value})).isprintable()
