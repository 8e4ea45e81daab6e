"""Secret sets on this machine: variables for the bots of the agents that name them, one file for each set."""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

DIRECTORY: Final = "secrets"
"""Beside the agents' directories; no agent on this machine can have this name."""

MOST_BYTES: Final = 64 * 1024
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")


class InvalidSecretSet(Exception):  # noqa: N818 - named for what happened
    """A secret set can't be used; the sentence names the file and the remedy, and no value."""


def path_of(agents: Path, name: str) -> Path:
    """Return the file of a set."""
    return agents / DIRECTORY / f"{name}.env"


def read_secret_set(path: Path) -> dict[str, str]:
    """Read the variables of a set: a line `NAME=VALUE` for each, as in a `.env`. No file is an empty set.

    Raises:
        InvalidSecretSet: the file can't be used.
    """
    try:
        content = read_bounded(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InvalidSecretSet(f"{_shown(path)}: {error.strerror}; make it a readable file.") from None
    if len(content) > MOST_BYTES:
        raise InvalidSecretSet(f"{_shown(path)}: shorten it to {MOST_BYTES} bytes or less.")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise InvalidSecretSet(f"{_shown(path)}: save it as UTF-8.") from None
    # Without interpolation: a value is what stands there, and never one of ours.
    variables = dotenv_values(stream=io.StringIO(text), interpolate=False)
    for number, (name, value) in enumerate(variables.items(), start=1):
        if value is None or "\0" in value or not _NAME.fullmatch(name):
            raise InvalidSecretSet(f"{_shown(path)}: entry {number}: write NAME=VALUE.")
    return {name: value for name, value in variables.items() if value is not None}


def read_bounded(path: Path, most: int) -> bytes:
    """Read a regular file; of one that is longer, one byte more than `most`.

    Raises:
        OSError: there is none, or it can't be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise IsADirectoryError(0, "It is no regular file")
    with path.open("rb") as file:
        return file.read(most + 1)


def _shown(path: Path) -> str:
    return f"{DIRECTORY}/{path.name}"
