"""What a bot's author reads about an error in their bot: its kind, and where it is. Never its text.

An error's text may contain a key or what a caller said. It is shown only where Python itself writes it from
names in the code: of a module, an attribute, a variable.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from typing import Final

from podline.contract import environment as env
from podline.contract.reasons import Reason
from podline.contract.text import printable
from podline.errors import BotCrashed, BotError, ConfigInvalid, first_cause, last_line
from podline.runner.ending import CallEnding
from podline.runner.masking import Secrets

_MAX_CHARACTERS: Final = 120
_MAX_OF_A_LINE: Final = 300
_MODULE_OS: Final = (os.__file__, "<frozen os>")
"""The file of `os.environ`: since Python 3.11 the module may be part of the interpreter."""


def import_error(error: BaseException, path: Path) -> BotError:
    """Return what ends a call whose bot's file can't be imported."""
    what = f"{path.name} can't be imported: the bot {explain(error, path.parent)}."
    kind = ConfigInvalid if _reason(error) is Reason.CONFIG_INVALID else BotCrashed
    return kind(" ".join((what, advice(error))).strip())


def ending_of_bot(error: BaseException, path: Path) -> CallEnding:
    """Return the ending of a call whose bot, in the file at this path, raised this."""
    error = first_cause(error)
    if isinstance(error, BotError):
        return CallEnding.of(error)
    if isinstance(error, MemoryError):
        return CallEnding.of_bug(error)
    what = f"The bot {explain(error, path.parent)}; see its log."
    return CallEnding(_reason(error), " ".join((what, advice(error))).strip(), error=error)


def message_with_error(ending: CallEnding, secrets: Secrets) -> str:
    """Return an ending's message with the last line of the traceback, for where bots are developed."""
    if ending.error is None:
        return ending.message
    line = printable(secrets.without(last_line(ending.error)), _MAX_OF_A_LINE)
    return f"{ending.message} The traceback ends with: {line}"


def _reason(error: BaseException) -> Reason:
    is_variable = isinstance(error, KeyError) and _missing_variable(error) is not None
    return Reason.CONFIG_INVALID if is_variable else Reason.CRASHED


def explain(error: BaseException, directory: Path) -> str:
    """Return what failed and where, as the end of a sentence: `raised KeyError in bot.py, line 12`.

    Args:
        error: What the bot raised.
        directory: The bot's own, by which its code is told from libraries'.
    """
    what = _what(error)
    where = _where(error, directory)
    return f"{what} in {where}" if where else what


def advice(error: BaseException) -> str:
    """Return what to do about it, as a sentence; empty if only the code can tell."""
    match error:
        case ModuleNotFoundError(name=str(name)):
            return f"Add the package of {_brief(name)} to the agent's image."
        case KeyError() if (variable := _missing_variable(error)) is not None and env.is_reserved(variable):
            read = f"Read {variable} in bot(runner_args), once there is a call"
            return (
                f"{read}, or set `preload` to false in podline.toml." if env.waits(os.environ) else f"{read}."
            )
        case KeyError() if (variable := _missing_variable(error)) is not None:
            return f"Put {variable} into the agent's secret set."
        case _:
            return ""


def _what(error: BaseException) -> str:
    match error:
        case ModuleNotFoundError(name=str(name)):
            return f"can't import {_brief(name)}"
        case ImportError(name=str(name)):
            return f"can't import something from {_brief(name)}"
        case SyntaxError() if _file_of(error) is not None:
            return "has a syntax error"
        case KeyError() if (variable := _missing_variable(error)) is not None:
            return f"needs the variable {variable}, which is not set,"
        case SystemExit():
            return "called sys.exit()"
        case _:
            return f"raised {type(error).__name__}"


def _missing_variable(error: KeyError) -> str | None:
    """Return the environment variable that was not set, if that is what the error says."""
    last = _frames(error)[-1:]
    if last and last[0].filename in _MODULE_OS and error.args and isinstance(error.args[0], str):
        return _brief(error.args[0])
    return None


def _where(error: BaseException, directory: Path) -> str | None:
    """Return the last line of the bot's own code that the error came through, or else of any."""
    if isinstance(error, SyntaxError) and (file := _file_of(error)) is not None:
        return f"{file.name}, line {error.lineno}"
    frames = _frames(error)
    last = ([each for each in frames if _is_own(Path(each.filename), directory)] or frames)[-1:]
    return f"{Path(last[0].filename).name}, line {last[0].lineno}" if last else None


def _file_of(error: SyntaxError) -> Path | None:
    """Return the file with the error; None if it is in a text, which may be a caller's or a model's."""
    return None if error.filename is None or error.filename.startswith("<") else Path(error.filename)


def _is_own(file: Path, directory: Path) -> bool:
    return file.is_relative_to(directory) and "site-packages" not in file.parts


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the lines that an error came through, without those of the runner and of the import system."""
    return [
        each
        for each in traceback.extract_tb(error.__traceback__)
        if "importlib" not in each.filename and not Path(each.filename).is_relative_to(Path(__file__).parent)
    ]


def _brief(name: str) -> str:
    return printable(name, _MAX_CHARACTERS)
