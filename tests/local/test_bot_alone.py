"""A bot run alone from its environment, with no controller: it joins, or says why it could not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from testing.processes import ROOT, Sandbox

PATIENCE_SECONDS = 60
ROOM = "https://podline.daily.co/room"


def run_alone(directory: Path, variables: dict[str, str]) -> tuple[int, str, dict[str, object]]:
    """Exit code, what it said, and its final report."""
    final_report = directory / "last-word.json"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SESSION_ID": "alone",
        "USER_ID": "ana",
        "PODLINE_BOT_FILE": str(ROOT / "bot" / "bot.py"),
        "PODLINE_LAST_WORD": str(final_report),
        **variables,
    }
    bot = subprocess.run(
        [sys.executable, "-m", "podline.runner"],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return bot.returncode, bot.stderr, json.loads(final_report.read_bytes())


@pytest.mark.parametrize(
    ("variables", "problems"),
    [
        (
            {"DAILY_ROOM_URL": ROOM, "PODLINE_IDLE_SECONDS": "no"},
            ["DAILY_TOKEN is missing", "PODLINE_IDLE_SECONDS"],
        ),
        (
            {
                "DAILY_ROOM_URL": ROOM,
                "DAILY_TOKEN": "t",
                "GEMINI_API_KEY": "former",
                "CONVEX_URL": "ftp://shop",
            },
            [
                "GOOGLE_API_KEY is missing (GEMINI_API_KEY is set: rename it to GOOGLE_API_KEY)",
                'CONVEX_URL is "ftp://shop", which is not an http(s) URL',
            ],
        ),
    ],
    ids=["of the runner", "of the bot"],
)
def test_everything_that_is_wrong_is_named_in_one_line(
    tmp_path: Path, variables: dict[str, str], problems: list[str]
) -> None:
    code, said, word = run_alone(tmp_path, variables)

    [line] = [line["problem"] for line in map(json.loads, said.splitlines()) if "problem" in line]
    assert code == 64
    assert word["reason"] == "config_invalid"
    assert all(problem in line for problem in problems), line


def test_a_daily_room_that_cannot_be_joined_is_refused_with_a_sentence(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    code, said, word = run_alone(
        tmp_path,
        {
            **sandbox.variables,
            "DAILY_ROOM_URL": "https://podline.invalid/room",
            "DAILY_TOKEN": "token-of-the-room",
        },
    )

    assert (code, word["reason"]) == (65, "room_refused")
    assert "Daily" in str(word["message"])
    assert "token-of-the-room" not in said + str(word)
