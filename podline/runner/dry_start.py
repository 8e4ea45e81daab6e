"""A start without a call: the bot's file is imported and its variables are checked, and nothing is joined."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from podline.contract import environment as env
from podline.contract.reasons import STARTED_DRY, Reason
from podline.contract.text import printable
from podline.errors import ConfigInvalid
from podline.runner.bot_file import find_bot_file, load_bot_file
from podline.runner.ending import CallEnding
from podline.runner.settings import read_settings

_OF_NO_CALL: Final = {
    env.SESSION_ID: "dry-start",
    env.USER_ID: "dry-start",
    env.TRANSPORT: "webrtc",
    env.CONTROLLER_URL: "http://localhost",
    env.LAUNCH_ID: "dry-start",
    env.LAUNCH_TOKEN: "none",
}
"""A call's own variables, which a dry start has no use for and doesn't have."""

_MOST_MISSING: Final = 5
_MOST_CHARACTERS: Final = 60
_MOST_CHARACTERS_OF_AN_ERROR: Final = 200


def start_dry(variables: Mapping[str, str]) -> CallEnding:
    """Import the bot as a call would. Return an ending whose message names variables that it will miss.

    Raises:
        BotError: A call would fail the same way.
    """
    read_settings({**variables, **_OF_NO_CALL})
    path = find_bot_file(variables)
    _import_what_a_call_does()
    load_bot_file(path)
    missing = list(missing_variables(path, variables))[:_MOST_MISSING]
    return CallEnding(Reason.COMPLETED, " ".join(missing) or STARTED_DRY)


def missing_variables(path: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each variable that is not set and that the bot's file reads as `os.environ[...]`.

    It is no error: the line may belong to a room or service that is not used here.
    """
    seen = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        match node:
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="os"), attr="environ"),
                slice=ast.Constant(value=str(name)),
                ctx=ast.Load(),
                lineno=line,
            ) if name not in variables and name not in _OF_NO_CALL and name not in seen:
                seen.add(name)
                shown = printable(name, _MOST_CHARACTERS)
                yield f"{path.name}, line {line}, reads the variable {shown}, which is not set."


def _import_what_a_call_does() -> None:
    try:
        import podline.runner.session  # noqa: F401, PLC0415 - takes a second, so variables are checked before
    except ImportError as error:
        said = printable(str(error), _MOST_CHARACTERS_OF_AN_ERROR)
        raise ConfigInvalid(
            f"Pipecat can't be used here: {said}. Use an image with Pipecat 1.10 or later."
        ) from error
