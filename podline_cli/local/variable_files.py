"""Variables in files such as `.env`."""

from __future__ import annotations

from pathlib import Path

from dotenv import dotenv_values


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables of a file; none if there is no such file."""
    return {name: value or "" for name, value in dotenv_values(file).items()}
