"""scripts/test: run parts of the tests, side by side where scripts/commands/running/plan.py has it so."""

from __future__ import annotations

import os
import random
import sys
from typing import Annotated, Final

import typer
from rich.console import Console

from podline_cli.errors import CommandError
from scripts.commands.console import run_command
from scripts.commands.programs import ROOT
from scripts.commands.running.display import make_console
from scripts.commands.running.execute import execute
from scripts.commands.running.lanes import LaneJob
from scripts.commands.running.parts import PARTS
from scripts.commands.running.plan import Item, plan_for

SEARCH: Final = "search"
SEARCHED: Final = (
    "tests/contract/channel/test_counted_once.py",
    "tests/unit/podline/runner/channel/test_outbox.py",
)
LOGS: Final = ROOT / ".podline" / "tests"
_PYTEST: Final = (sys.executable, "-m", "tests", "-q")
_NAMES: Final = ", ".join(part.name for part in PARTS)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run_tests(
    wanted: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PART|PATH]...",
            help=f"{_NAMES}; 'all' for all of them; paths below tests/. By default, what needs no cluster.",
        ),
    ] = None,
) -> None:
    """Run the tests. What this machine can't run is left out; the last lines say what, and how to get it.

    'search [SEED]' tries 10,000 examples against what is counted once, from a seed of its own or from this
    one. All other runs draw the same examples each time.
    """
    console = make_console()
    if wanted and wanted[0] == SEARCH:
        groups = [[[_search(wanted[1:], console)]]]
    else:
        groups = [[[_job(item) for item in lane] for lane in group] for group in plan_for(wanted or [])]
    outcome = execute(groups, LOGS, console)
    for what in outcome.left_out:
        console.print(f"Left out: {what}", markup=False, highlight=False, soft_wrap=True)
    if outcome.failed:
        raise CommandError(f"Not passed: {', '.join(outcome.failed)}. The output is above and in {LOGS}.")
    if os.environ.get("CI") == "true" and outcome.left_out:
        raise CommandError("In CI, no part may be left out: the lines above name what is missing.")


def _job(item: Item) -> LaneJob:
    command = (*_PYTEST, *item.paths, *(f"--ignore={path}" for path in item.ignored))
    if item.part.in_namespaces:
        command = (str(ROOT / "testing" / "node" / "namespaces.sh"), *command)
    return LaneJob(item.name, command, item.part.needs, item.gives_way)


def _search(arguments: list[str], console: Console) -> LaneJob:
    seed = arguments[0] if arguments else str(random.SystemRandom().randrange(2**30))
    if not seed.isdigit() or len(arguments) > 1:
        raise CommandError(f"A seed is one number, not '{' '.join(arguments)}': scripts/test search 42.")
    console.print(f"Seed {seed}; the same search again: scripts/test search {seed}")
    options = ("--hypothesis-profile=wide", f"--hypothesis-seed={seed}")
    return LaneJob(f"search {seed}", (*_PYTEST, *options, *SEARCHED))


if __name__ == "__main__":
    run_command(app)
