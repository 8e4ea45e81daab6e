"""Variables in files such as `.env`."""

from __future__ import annotations

from pathlib import Path

from dotenv import dotenv_values

from podline_cli.errors import CommandError, ExitCode


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables of a file; none if there is no such file. Raises CommandError."""
    try:
        return {name: value or "" for name, value in dotenv_values(file).items()}
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not UTF-8: save it as that.", code=ExitCode.USAGE) from None
