"""A bot that is started without a call: what is checked, and what is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from podline.contract.reasons import STARTED_DRY
from podline.runner.dry_start import missing_variables

GOOD = "import os\n\nasync def bot(runner_args):\n    return os.environ['SESSION_ID']\n"


def start(directory: Path, code: str | None, **variables: str) -> tuple[int, dict[str, Any]]:
    """Run the runner as a dry start's Job does; return its exit code and final report."""
    if code is not None:
        (directory / "bot.py").write_text(code)
    report = directory / "report"
    given = {"PODLINE_DRY_START": "true", "PODLINE_LAST_WORD": str(report), "SESSION_ID": "dry-start"}
    process = subprocess.run(
        [sys.executable, "-m", "podline.runner"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), **given, **variables},
        check=False,
        timeout=60,
        capture_output=True,
    )
    return process.returncode, json.loads(report.read_text())


def test_a_bot_that_can_be_imported_can_take_calls(tmp_path: Path) -> None:
    code, report = start(tmp_path, GOOD)

    assert (code, report["reason"], report["message"]) == (0, "completed", STARTED_DRY)


@pytest.mark.parametrize(
    ("bot", "variables", "code", "said"),
    [
        (None, {}, 64, "No bot found"),
        ("import lamp\n", {}, 1, "bot.py can't be imported: the bot can't import lamp in bot.py, line 1."),
        ("import os\nKEY = os.environ['A_KEY']\n", {}, 64, "needs the variable A_KEY, which is not set"),
        ("x = 1\n", {}, 64, "bot.py has no bot"),
        (GOOD, {"PODLINE_MUTE_SECONDS": "1"}, 64, "PODLINE_MUTE_SECONDS"),
    ],
    ids=["no file", "no package", "no variable", "no bot", "a wrong setting"],
)
def test_what_would_fail_each_call_is_named(
    tmp_path: Path, bot: str | None, variables: dict[str, str], code: int, said: str
) -> None:
    found, report = start(tmp_path, bot, **variables)

    assert found == code
    assert said in report["message"]


def test_an_image_whose_pipecat_can_t_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "pipecat.py").write_text("raise ImportError('no module named frames')\n")

    code, report = start(tmp_path, GOOD)

    assert (code, report["reason"]) == (64, "config_invalid")
    assert "Pipecat can't be used here: no module named frames. Use an image with" in report["message"]


def test_a_variable_that_the_bot_will_read_and_that_is_not_set_is_named(tmp_path: Path) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(
        "import os\n"
        "async def bot(runner_args):\n"
        "    key, again = os.environ['A_KEY'], os.environ['A_KEY']\n"
        "    other, optional = os.environ['SET'], os.environ.get('MAYBE')\n"
        "    os.environ['WRITTEN'] = key\n"
        "    return os.environ['SESSION_ID'], os.environ[key]\n"
    )

    assert list(missing_variables(bot, {"SET": "1"})) == [
        "bot.py, line 3, reads the variable A_KEY, which is not set."
    ]
