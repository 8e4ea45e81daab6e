"""The commands, and the Typer app of those that a command line may need."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Final

import typer

from podline.contract.version import VERSION

CALLS: Final = "Calls"
AGENTS: Final = "Agents"
CONTROLLERS: Final = "Controllers"
THIS_MACHINE: Final = "This machine"


@dataclass(frozen=True)
class Command:
    """Where a command is defined.

    Attributes:
        name: as people type it.
        module: the module, which is loaded only when the command is wanted.
        attribute: the function, or the Typer app of a command with commands of its own.
        panel: its heading in the help.
    """

    name: str
    module: str
    attribute: str
    panel: str


LOCAL: Final = (
    Command("init", "podline_cli.local.init", "init", THIS_MACHINE),
    Command("dev", "podline_cli.local.dev", "dev", THIS_MACHINE),
    Command("call", "podline_cli.local.call", "call", THIS_MACHINE),
    Command("doctor", "podline_cli.local.doctor", "doctor", THIS_MACHINE),
)

REMOTE: Final = (
    Command("ps", "podline_cli.commands.listing", "ps", CALLS),
    Command("show", "podline_cli.commands.show", "show", CALLS),
    Command("logs", "podline_cli.commands.logs", "logs", CALLS),
    Command("stop", "podline_cli.commands.stopping", "stop", CALLS),
    Command("usage", "podline_cli.commands.usage", "usage", CALLS),
    Command("agents", "podline_cli.commands.agents", "agents", AGENTS),
    Command("agent", "podline_cli.commands.agents", "agent", AGENTS),
    Command("deploy", "podline_cli.commands.deploy", "deploy", AGENTS),
    Command("rollback", "podline_cli.commands.agents", "rollback", AGENTS),
    Command("delete", "podline_cli.commands.agents", "delete", AGENTS),
    Command("secrets", "podline_cli.commands.secret_sets", "app", AGENTS),
    Command("context", "podline_cli.commands.context", "app", CONTROLLERS),
    Command("drain", "podline_cli.commands.stopping", "drain", CONTROLLERS),
    Command("serve", "podline_cli.delegated", "serve", CONTROLLERS),
    Command("room", "podline_cli.delegated", "room", CONTROLLERS),
)

COMMANDS: Final = (*LOCAL, *REMOTE)


def build_app(words: Sequence[str] = (), *, is_pretty: bool | None = None) -> typer.Typer:
    """Return the app with the command that the words name, or with all if they name none.

    Args:
        words: the command line.
        is_pretty: whether help and usage errors may have colours and boxes; None decides by the terminal.
    """
    if is_pretty is None:
        is_pretty = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    app = typer.Typer(
        name="podline",
        help="Voice bots, one pod per call: deploy agents, watch calls, and stop them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown" if is_pretty else None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(choose_command)
    named = [each for each in COMMANDS if words and each.name == words[0]]
    for command in named or COMMANDS:
        found = getattr(import_module(command.module), command.attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=command.name, rich_help_panel=command.panel)
        else:
            app.command(command.name, rich_help_panel=command.panel)(found)
    return app


def show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's way
    if wanted:
        sys.stdout.write(f"podline {VERSION}\n")
        raise typer.Exit


def choose_command(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Have Typer take the options that belong to no command."""
