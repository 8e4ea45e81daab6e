"""The bot to develop: where it is, its agent's name, and its place in a directory of agents."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from podline.contract import environment
from podline.contract.agents import DEPLOY_FILE, NAME_PATTERN, PODLINE_FILE
from podline_cli.errors import CommandError, ExitCode

BOT_FILE: Final = "bot.py"
SHOPPING: Final = "shopping"
_SERVER: Final = "server"
"""The directory of the bot in a project of `pipecat init`."""
_SECRETS: Final = "secrets"
_LONGEST: Final = 40
_FALLBACK: Final = "bot"
_EXAMPLES: Final = (".env.example", "env.example")
_NAME: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_OF_SANDBOX: Final = re.compile(r"GOOGLE_API_KEY|OPENAI_.*|CONVEX_URL")


@dataclass(frozen=True)
class LocalBot:
    """A bot and what its own files say of its agent.

    Attributes:
        name: the agent's.
        file: the bot's file.
        directory: where its definition is, and where its processes start.
        is_usual: True if the controller finds the file in the directory without being told.
        secret_set: the name of its variables' set; the agent's name if its definition names none.
    """

    name: str
    file: Path
    directory: Path
    is_usual: bool
    secret_set: str


def find_bot(given: Path | None, here: Path) -> LocalBot | None:
    """Return the bot in the given file or directory, by default in this one; None if there is none here.

    Raises:
        CommandError: There is no bot where one was named.
    """
    path = here if given is None else here / given
    file = path if path.is_file() else next((each for each in _files_in(path) if each.is_file()), None)
    if file is not None:
        return _bot_in(file.absolute())
    if given is not None:
        raise CommandError(
            f"There is no bot at {given}: name a file with `async def bot(runner_args)` or the directory of "
            "one, or write a first bot with `podline init`.",
            code=ExitCode.USAGE,
        )
    return None


def python_of(bot: LocalBot) -> str:
    """Return the interpreter that runs the bot on this machine."""
    named = _document(bot.directory / PODLINE_FILE).get("python")
    if not isinstance(named, str):
        return sys.executable
    return str(bot.directory / named) if "/" in named else named


def place_among_agents(bot: LocalBot, agents: Path) -> None:
    """Make the bot's directory an agent of this directory of agents, by a link: edits count at once."""
    agents.mkdir(mode=0o700)
    home = agents / bot.name
    if bot.is_usual:
        home.symlink_to(bot.directory, target_is_directory=True)
        return
    home.mkdir()
    for each in bot.directory.iterdir():
        if each.name not in (BOT_FILE, PODLINE_FILE):
            (home / each.name).symlink_to(each)
    (home / BOT_FILE).symlink_to(bot.file)


def write_variables(bot: LocalBot, agents: Path, variables: Mapping[str, str]) -> None:
    """Give the bot variables of its own, readable for us alone."""
    directory = agents / _SECRETS
    directory.mkdir(mode=0o700, exist_ok=True)
    file = directory / f"{bot.secret_set}.env"
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={_quoted(value)}\n" for name, value in variables.items()))


def variables_for(bot: LocalBot, shell: Mapping[str, str], sandbox: Mapping[str, str]) -> dict[str, str]:
    """Return what a bot gets beside its own `.env`: keys of the shell, or else those of the stand-ins.

    Args:
        bot: whose variables are wanted: those that its `.env.example` lists, and any API key.
        shell: our own environment.
        sandbox: how to reach the stand-ins; empty if there are none.
    """
    listed = set(_listed(bot.directory))
    of_shell = {
        name: value
        for name, value in shell.items()
        if value
        and (name in listed or name.endswith("_API_KEY"))
        and not environment.is_reserved(name)
        and not set(value) & set("\r\n\0")
    }
    return of_shell | {name: value for name, value in sandbox.items() if _OF_SANDBOX.fullmatch(name)}


def _files_in(directory: Path) -> Iterator[Path]:
    """Yield where a bot may be, the likeliest first."""
    if (named := _named_file(directory)) is not None:
        yield named
    yield directory / BOT_FILE
    yield directory / _SERVER / BOT_FILE


def _bot_in(file: Path) -> LocalBot:
    directory = next((each for each in file.parents[:2] if _named_file(each) == file), file.parent)
    named = _named_file(directory)
    definition = _document(directory / DEPLOY_FILE)
    name, secret_set = definition.get("agent_name"), definition.get("secret_set")
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        name = _name_from(_project(directory).name)
    return LocalBot(
        name=name,
        file=file,
        directory=directory,
        is_usual=named == file or (named is None and file.name == BOT_FILE),
        secret_set=secret_set if isinstance(secret_set, str) and "/" not in secret_set else name,
    )


def _named_file(directory: Path) -> Path | None:
    """Return the bot's file that a directory's definition names."""
    named = _document(directory / PODLINE_FILE).get("file")
    return directory / named if isinstance(named, str) else None


def _project(directory: Path) -> Path:
    return directory.parent if directory.name == _SERVER else directory


def _name_from(name: str) -> str:
    """Return an agent's name for a directory of any name."""
    made = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-")
    is_taken = made in (_SECRETS, SHOPPING)
    return made if re.fullmatch(NAME_PATTERN, made) and not is_taken else _FALLBACK


def _document(file: Path) -> dict[str, Any]:
    """Return a TOML file's content; empty if it can't be read, which the controller reports better."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _listed(directory: Path) -> Iterator[str]:
    """Yield the names of the variables that an example of `.env` lists."""
    for name in _EXAMPLES:
        file = directory / name
        if file.is_file():
            yield from _NAME.findall(file.read_text(encoding="utf-8", errors="replace"))


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
