"""How the commands in scripts/ run: under the name that people type."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import typer

from podline_cli.running import run_to_exit


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run a command and exit. Help and errors of a Typer app name the script, not its module."""
    if isinstance(command, typer.Typer):
        command = partial(command, prog_name=f"scripts/{Path(sys.argv[0]).stem.replace('_', '-')}")
    run_to_exit(command)
