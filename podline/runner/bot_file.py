"""The bot in a file of its own: `bot.py`, with `async def bot(runner_args)`, as Pipecat expects it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from podline.contract import environment as env
from podline.errors import BotError, ConfigInvalid
from podline.runner.bot_errors import import_error

BOT_FILES: Final = (Path("bot.py"), Path("/app/bot.py"))
_MODULE: Final = "podline_bot"
"""The file's name as a module if its own name is another's: `bot.py` may stand beside a package `bot`."""

BotFunction = Callable[[Any], Awaitable[None]]
"""`async def bot(runner_args)`."""


@dataclass(frozen=True)
class BotFile:
    """A loaded bot.

    Attributes:
        path: Its file.
        entry_point: Its `bot`.
    """

    path: Path
    entry_point: BotFunction


def find_bot_file(variables: Mapping[str, str], candidates: Sequence[Path] = BOT_FILES) -> Path:
    """Return the bot's file: the one that PODLINE_BOT_FILE names, or the first of these that exists.

    Raises:
        ConfigInvalid: There is none.
    """
    named = variables.get(env.BOT_FILE, "").strip()
    paths = (Path(named),) if named else tuple(candidates)
    for path in paths:
        if path.is_file():
            return path.resolve()
    if named:
        raise ConfigInvalid(
            f"No bot found: there is no {paths[0].absolute()}; correct `file` in podline.toml "
            f"({env.BOT_FILE})."
        )
    looked = " nor ".join(str(path.absolute()) for path in paths)
    raise ConfigInvalid(
        f"No bot found: neither {looked} exists; start the runner in the bot's directory, or name the bot's "
        "`file` in podline.toml."
    )


def load_bot_file(path: Path) -> BotFile:
    """Import the file, which may import other files in its directory.

    A `.env` file that the bot loads can't change the runner's own variables: they are put back.

    Raises:
        ConfigInvalid: It has no `async def bot(runner_args)`.
        BotError: It can't be imported.
    """
    root = _import_root(path)
    sys.path.insert(0, str(root))
    reserved = reserved_variables(os.environ)
    try:
        module = _import(path, root)
    except BotError:
        raise
    except (Exception, SystemExit) as error:
        raise import_error(error, path) from error
    finally:
        restore(reserved)
    return BotFile(path, _entry_point(module, path))


def _import(path: Path, root: Path) -> ModuleType:
    """Import the file under the name by which the bot's other files and its child processes find it."""
    names = path.relative_to(root).with_suffix("").parts
    name = ".".join(names)
    if all(each.isidentifier() for each in names) and name not in sys.modules:
        found = importlib.util.find_spec(name)
        if found is not None and Path(found.origin or "").resolve() == path.resolve():
            return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(_MODULE, path)
    if spec is None or spec.loader is None:
        raise ConfigInvalid(f"{path.name} is not a Python file; set {env.BOT_FILE} to the bot's file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module
    spec.loader.exec_module(module)
    return module


def _import_root(path: Path) -> Path:
    """Return the directory from which the bot's imports begin: its own or, in a package, the package's."""
    root = path.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def reserved_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that belong to the runner and the call, with their values."""
    return {name: value for name, value in environment.items() if env.is_reserved(name)}


def restore(reserved: Mapping[str, str]) -> None:
    """Put the runner's own variables back, and take away those that it did not have."""
    for name in list(os.environ):
        if env.is_reserved(name) and name not in reserved:
            del os.environ[name]
    os.environ.update(reserved)


def _entry_point(module: ModuleType, path: Path) -> BotFunction:
    bot = getattr(module, "bot", None)
    expected = "define `async def bot(runner_args)` in it, as for Pipecat's own runner."
    if bot is None:
        raise ConfigInvalid(f"{path.name} has no bot: {expected}")
    if not callable(bot) or not inspect.iscoroutinefunction(inspect.unwrap(bot)):
        raise ConfigInvalid(f"The bot in {path.name} is not an async function: {expected}")
    try:
        inspect.signature(bot).bind(object())
    except TypeError:
        raise ConfigInvalid(f"The bot in {path.name} does not take one argument: {expected}") from None
    entry_point: BotFunction = bot
    return entry_point
