"""`podline init`: a first bot in a directory of its own."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

import typer

from podline.contract.agents import NAME_PATTERN
from podline_cli.console import Output, OutputFormat
from podline_cli.errors import CommandError, ExitCode
from podline_cli.options import OutputOption

_PLACEHOLDER: Final = "AGENT_NAME"
_SUFFIX: Final = ".template"
_HIDDEN: Final = frozenset({"env.example", "gitignore"})
"""Files that begin with a dot in a project. A wheel might leave them out under that name."""

_DESCRIPTION: Final = "1 to 40 of a-z, 0-9 and -, without - at either end, and not beginning with start"
_TAKEN: Final = {
    "secrets": "the directory of agents keeps variables in a directory of that name",
    "shopping": "Podline's own shopping assistant has it",
}


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write it; its last part is the agent's name.")
    ] = Path("my-bot"),
    name: Annotated[
        str | None, typer.Option("--name", help="The agent's name, if the directory has another.")
    ] = None,
    output: OutputOption = OutputFormat.TEXT,
) -> None:
    """Write a first bot to run with `podline dev`."""
    agent = checked_name(directory.absolute().name if name is None else name)
    written = write_first_bot(directory, agent)
    out = Output(output)
    if out.is_json:
        out.json({"agent": agent, "directory": str(directory.absolute()), "files": written})
        return
    out.line(f"Wrote the agent {agent} to {directory}: {', '.join(written)}.")
    out.line(
        f"\nNext:\n\n  cd {directory}\n  podline dev --sandbox    # talk to it; no key needed\n\n"
        "Edit the greeting in bot.py while that runs: the next call speaks it.\n\n"
        "To deploy it, build and push its image as README.md describes, copy .env.example to .env, fill in\n"
        f"the key, and run:\n\n  podline secrets set {agent}-secrets --file .env\n  podline deploy"
    )


def checked_name(name: str) -> str:
    """Return a name that an agent may have.

    Raises:
        CommandError: It may not.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise CommandError(
            f"{name!r} can't be an agent's name, which is {_DESCRIPTION}: choose one with --name.",
            code=ExitCode.USAGE,
        )
    if name in _TAKEN:
        raise CommandError(
            f"{name!r} can't be an agent's name, because {_TAKEN[name]}: choose another with --name.",
            code=ExitCode.USAGE,
        )
    return name


def write_first_bot(directory: Path, agent: str) -> list[str]:
    """Write the files, unless one of them exists; return their names.

    Raises:
        CommandError: One exists.
    """
    contents = first_bot(agent)
    if existing := [name for name in contents if os.path.lexists(directory / name)]:
        raise CommandError(
            f"{directory} already has {', '.join(existing)}, which this would overwrite: name another "
            "directory, such as `podline init my-bot`.",
            code=ExitCode.USAGE,
        )
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        with (directory / name).open("x", encoding="utf-8") as file:
            file.write(content)
    return list(contents)


def first_bot(agent: str) -> dict[str, str]:
    """Return the files of a first bot by their names."""
    templates = sorted((files(__package__) / "first_bot").iterdir(), key=lambda each: each.name)
    found = {
        each.name.removesuffix(_SUFFIX): each.read_text(encoding="utf-8").replace(_PLACEHOLDER, agent)
        for each in templates
        if each.name.endswith(_SUFFIX)
    }
    return {f".{name}" if name in _HIDDEN else name: content for name, content in found.items()}
