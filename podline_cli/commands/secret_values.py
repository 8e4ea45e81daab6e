"""Values of variables: from a file, from the environment, or typed. No error has one in it."""

from __future__ import annotations

import getpass
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from podline.contract import environment
from podline.contract.secret_sets import MOST_VALUE_CHARACTERS, VARIABLE_PATTERN
from podline.contract.text import is_unicode
from podline_cli.console import Output
from podline_cli.errors import CommandError, ExitCode

_MOST_BYTES_OF_A_FILE: Final = 1024 * 1024
_NAMES: Final = "write at most 64 letters, digits, `-` and `_`, not beginning with a digit or `-`"
_END_OF_LINE: Final = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True)
class SecretValue:
    """A variable to write.

    Attributes:
        name: of the variable.
        value: which is in no representation.
        source: where the value comes from, such as `environment`.
    """

    name: str
    value: str = field(repr=False)
    source: str


def check_names(names: Sequence[str]) -> None:
    """Check names that were typed. They are not repeated: one might be a value.

    Raises:
        CommandError: one of them can't be a variable's name.
    """
    for number, name in enumerate(names, start=1):
        if "=" in name:
            raise _usage(
                "A value can't be an argument, because the shell keeps it in its history: write the NAME "
                "alone, and type the value when you are asked."
            )
        if re.fullmatch(VARIABLE_PATTERN, name) is None:
            raise _usage(f"NAME {number} can't be the name of a variable: {_NAMES}.")
        if environment.is_reserved(name):
            raise _usage(f"{name} is one of the variables that a call sets itself: leave it out.")


def values_of_file(path: Path, names: Sequence[str], out: Output) -> list[SecretValue]:
    """Return the variables of a file: those with these names, or else all that a set can hold.

    Raises:
        CommandError: the file can't be read, a name is not in it, or it has no value that can be written.
    """
    found = read_file(path)
    source = str(path)
    if names:
        if missing := [name for name in names if name not in found]:
            raise _usage(f"{path} has no {' and no '.join(missing)}: add what is missing, or leave it out.")
        return [_checked(name, found[name], source) for name in names]
    reserved = [name for name in found if environment.is_reserved(name)]
    empty = [name for name, value in found.items() if not value and name not in reserved]
    if reserved:
        out.warn(f"left out, because each call sets its own: {', '.join(reserved)}.")
    if empty:
        out.warn(f"left out, because {path} has no value: {', '.join(empty)}.")
    kept = [name for name in found if name not in reserved and name not in empty]
    if not kept:
        raise _usage(f"{path} has no variable to write: fill in a line NAME=VALUE for each.")
    return [_checked(name, found[name], source) for name in kept]


def values_of_names(names: Sequence[str], variables: Mapping[str, str]) -> list[SecretValue]:
    """Return variables of the environment; ask for those that are not set, or read one from standard input.

    Raises:
        CommandError: a value is missing, or can't be written.
    """
    missing = [name for name in names if not variables.get(name)]
    if len(missing) > 1 and not sys.stdin.isatty():
        raise _usage(
            f"{', '.join(missing)} are not set in the environment, and standard input can hold only one "
            "value: set them, or write them into a file and name that with --file."
        )
    return [
        _asked(name) if name in missing else _checked(name, variables[name], "environment") for name in names
    ]


def read_file(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file as they stand there, without replacing `${NAME}` in values.

    Raises:
        CommandError: the file can't be read, or not all of it is understood.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(_text(path))):
        if binding.error or (binding.key is not None and binding.value is None):
            raise _usage(f"{path} has no variable in line {_line(binding)}: write NAME=VALUE.")
        if binding.key is None or binding.value is None:  # a comment, or the end
            continue
        if re.fullmatch(VARIABLE_PATTERN, binding.key) is None:
            raise _usage(f"{path} has a name in line {_line(binding)} that no variable can have: {_NAMES}.")
        found[binding.key] = binding.value
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES_OF_A_FILE + 1)
    except OSError as error:
        raise _usage(f"{path} can't be read: {error.strerror}. Name another file with --file.") from None
    if len(content) > _MOST_BYTES_OF_A_FILE:
        raise _usage(f"{path} is longer than 1 MB: name a file with a line NAME=VALUE for each variable.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _usage(f"{path} is not UTF-8 text: save it as UTF-8.") from None


def _line(binding: Binding) -> int:
    """Return the line in which a binding begins; the parser counts the empty ones before it as part of it."""
    whole = binding.original.string
    before = whole[: len(whole) - len(whole.lstrip())]
    return binding.original.line + len(_END_OF_LINE.findall(before))


def _asked(name: str) -> SecretValue:
    if sys.stdin.isatty():
        return _checked(name, getpass.getpass(f"{name}: ", sys.stderr), "prompt")
    try:
        value = sys.stdin.read(MOST_VALUE_CHARACTERS + 2)
    except UnicodeDecodeError:
        raise _usage(f"The value of {name} on standard input is not UTF-8 text.") from None
    return _checked(name, value.removesuffix("\n"), "standard input")


def _checked(name: str, value: str, source: str) -> SecretValue:
    if not value:
        raise _usage(
            f"{name} has no value ({source}): set the environment variable {name}, fill it in in a file that "
            "you name with --file, or write the value to standard input."
        )
    if len(value) > MOST_VALUE_CHARACTERS:
        raise _usage(
            f"{name} has a value of more than {MOST_VALUE_CHARACTERS} characters ({source}): shorten it."
        )
    if "\0" in value or not is_unicode(value):
        raise _usage(f"{name} has a value that is no text ({source}): write it as base64, for example.")
    return SecretValue(name, value, source)


def _usage(sentence: str) -> CommandError:
    return CommandError(sentence, code=ExitCode.USAGE)
