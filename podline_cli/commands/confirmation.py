"""The question before something is deleted."""

from __future__ import annotations

import sys

import typer

from podline_cli.console import Output
from podline_cli.errors import CommandError, ExitCode


def confirm(question: str, what: str, out: Output) -> None:
    """Ask a person whether to delete something.

    Args:
        question: what exactly is deleted, and where.
        what: the kind of thing, such as `the agent`.
        out: where to ask.

    Raises:
        CommandError: the answer is no, or nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise CommandError(
            f"There is no terminal to ask whether to delete {what}: add --yes.", code=ExitCode.USAGE
        )
    out.note(question)
    if not typer.confirm("Delete", err=True):
        raise CommandError("Nothing is deleted.")
