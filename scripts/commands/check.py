"""scripts/check: ruff, mypy and import-linter, side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import typer

from podline_cli.errors import CommandError
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT
from scripts.commands.running.display import make_console
from scripts.commands.running.execute import execute
from scripts.commands.running.lanes import LaneJob

CHECKS: Final = (
    (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("lint-imports",)),
    (("mypy",),),
)
"""What runs one after the other in each lane: mypy takes longer than the rest together."""

LOGS: Final = ROOT / ".podline" / "checks"

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def check() -> None:
    """Say everything about the code that can be said without running it."""
    outcome = execute([[[_job(each) for each in lane] for lane in CHECKS]], LOGS, make_console())
    if outcome.failed:
        raise CommandError(f"Not passed: {', '.join(outcome.failed)}. The output is above and in {LOGS}.")


def _job(command: tuple[str, ...]) -> LaneJob:
    program = str(Path(sys.executable).parent / command[0])
    return LaneJob(" ".join(command), (program, *command[1:]))


if __name__ == "__main__":
    run_command(app)
