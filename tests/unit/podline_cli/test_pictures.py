"""The picture of a call: each step where it belongs, and what the call used."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from podline_cli.answers import SessionAnswer
from podline_cli.pictures import picture
from tests.unit.podline_cli.fake_api import session

BAR = "▏▎▍▌▋▊▉█▐▕"


def drawn(width: int = 120, **fields: Any) -> list[str]:
    """The lines of a picture, a minute after the call began."""
    found = SessionAnswer.model_validate(session(**fields))
    console = Console(width=width)
    with console.capture() as capture:
        console.print(picture(found, found.timeline.accepted + timedelta(minutes=1), width))
    return capture.get().splitlines()


def line(lines: list[str], begin: str) -> str:
    [found] = [each for each in lines if each.startswith(begin)]
    return found


def reached(**moments: str | None) -> dict[str, Any]:
    return {"timeline": session()["timeline"] | moments}


def bar(text: str) -> tuple[int, int]:
    """Where a line's bar begins and ends."""
    places = [place for place, character in enumerate(text) if character in BAR]
    return places[0], places[-1]


def test_each_step_begins_where_the_one_before_ends() -> None:
    lines = drawn()
    steps = [
        bar(line(lines, f"{name} ")) for name in ("process_up", "joined", "caller_joined", "first_speech")
    ]

    assert all(abs(end - begin) <= 1 for (_, end), (begin, _) in pairwise(steps))


def test_a_step_has_its_seconds_and_its_moment() -> None:
    assert "0.71 s  at 1.20 s  it is in the room" in line(drawn(), "joined ")


def test_a_long_call_leaves_its_start_up_to_be_seen() -> None:
    begin, end = bar(line(drawn(**reached(ended="2026-11-30T11:15:02Z")), "joined "))

    assert end - begin > 5


def test_a_step_that_never_came_is_left_out() -> None:
    lines = drawn(phase="failed", reason="no_caller", **reached(caller_joined=None, first_speech=None))

    assert not [each for each in lines if each.startswith(("caller_joined", "first_speech", "spoken"))]


def test_what_a_failed_start_waited_for_in_vain_is_the_longest_bar() -> None:
    never = dict.fromkeys(("scheduled", "process_up", "joined", "caller_joined", "first_speech"))
    lines = drawn(phase="failed", reason="unschedulable", **reached(**never))
    begin, end = bar(line(lines, "ended "))

    assert end - begin > 40


def test_a_call_that_runs_is_drawn_up_to_now() -> None:
    assert "at 1:00" in line(drawn(phase="live", reason=None, message=None, **reached(ended=None)), "… ")


def test_caller_bot_and_silence_share_a_bar() -> None:
    assert "caller 11.4 s  ■ bot 26.9 s  ■ silence 22.5 s" in "".join(drawn())


def test_tools_models_and_cost_are_counted() -> None:
    text = "\n".join(drawn())

    assert "4 turns · 1 interruption · 0 unanswered · 0.0125 USD" in text
    assert "search_products    2        1" in text
    assert "2,140          612   0.0125" in text


def test_a_failed_call_shows_how_to_read_its_log() -> None:
    assert "podline logs cart-7f3a" in "".join(drawn(phase="failed", reason="crashed"))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, drawn(width, message="A sentence that is long. " * 20))) <= width
