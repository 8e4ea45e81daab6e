"""docs/reference/cli.md: each command of `podline` with its options, exit codes and variables.

Run as `python -m testing.cli_reference`, writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from typer import Context
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from podline_cli.app import build_app
from podline_cli.errors import ExitCode
from podline_cli.target import VARIABLES

PATH: Final = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"

_BEGINS: Final = """\
# Command line

<!-- Made by scripts/generate from podline_cli. -->

`podline` talks to any controller, on this machine or in a cluster. In a checkout it is `.venv/bin/podline`;
elsewhere install `podline[cli]`. Each command has `--help`. `podline --install-completion` has your shell
complete commands and the names of sessions, agents and contexts.

**Which controller.** A command talks to the context that `--context` names; without it, to `PODLINE_URL`;
without that, to the context in use; and without any context to `http://127.0.0.1:7860`. Contexts are in
`~/.config/podline/contexts.toml`, which only its owner may read: a command refuses a file that others can
read. A key is taken from standard input, from a file or from `PODLINE_KEY`, never from an option, because
shells keep what is typed. It is sent to its own controller only: no redirect is followed.

**Output.** Answers go to standard output, everything else to standard error. A terminal gets tables and
colours. A pipe gets lines of tab-separated values, and with `-o json` JSON, which for sessions and agents is
the [API's answer](api.md). Whatever in a controller's text a terminal would act upon is removed or escaped.
"""

_CODES: Final = """\
## Exit codes

`podline serve` and `podline room` have those of the controller: 64 if a setting is not valid.

| Code | Meaning |
|---|---|"""


def generated() -> str:
    """Return what the page should be."""
    group = get_command(build_app(is_pretty=False))
    assert isinstance(group, TyperGroup)
    context = Context(group, info_name="podline")
    commands = [*_commands(group, context)]
    return "\n".join(
        [
            _BEGINS,
            *_index(commands),
            *(line for command, at in commands for line in _command(command, at)),
            _CODES,
            *(f"| {code.value} | {code.meaning} |" for code in ExitCode),
            "",
            "## Variables\n",
            "| Variable | Meaning |",
            "|---|---|",
            *(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items()),
            "",
        ]
    )


Command = tuple[TyperCommand, Context]


def _commands(group: TyperGroup, parent: Context) -> Iterator[Command]:
    """Yield each command with the context of its help; those of a group take its place."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        context = Context(command, info_name=name, parent=parent) if command is not None else parent
        if isinstance(command, TyperGroup):
            command.rich_help_panel, panel = None, command.rich_help_panel
            for each, at in _commands(command, context):
                each.rich_help_panel = panel
                yield each, at
        elif isinstance(command, TyperCommand) and not command.hidden:
            yield command, context


def _index(commands: list[Command]) -> Iterator[str]:
    panels: dict[str | None, list[Command]] = {}
    for each in commands:
        panels.setdefault(each[0].rich_help_panel, []).append(each)
    for panel, members in panels.items():
        yield f"## {panel}\n"
        yield "| Command | |"
        yield "|---|---|"
        for command, at in members:
            name = at.command_path
            yield f"| [`{name}`](#{name.replace(' ', '-')}) | {_first_sentence(command)} |"
        yield ""


def _command(command: TyperCommand, at: Context) -> Iterator[str]:
    yield f"## `{at.command_path}`\n"
    yield f"`{' '.join([at.command_path, *command.collect_usage_pieces(at)])}`\n"
    yield f"{_text(command)}\n"
    records = [each.get_help_record(at) for each in command.params]
    if any(records):
        yield "| Argument or option | |"
        yield "|---|---|"
        yield from (f"| `{_cell(name)}` | {_marked(_cell(text))} |" for name, text in filter(None, records))
        yield ""


def _text(command: TyperCommand) -> str:
    """Return the help as paragraphs of one line each."""
    paragraphs = (command.help or "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _first_sentence(command: TyperCommand) -> str:
    first, *rest = _text(command).split("\n\n")[0].split(". ")
    return f"{first}." if rest else first


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _marked(text: str) -> str:
    """Return the text with names of variables as code."""
    return re.sub(r"(?<!`)\b[A-Z]+_[A-Z_]+\b", r"`\g<0>`", text)


if __name__ == "__main__":
    PATH.write_text(generated(), encoding="utf-8")
