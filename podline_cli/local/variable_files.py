"""Variables in files such as `.env`."""

from __future__ import annotations

from pathlib import Path


def read_variables(file: Path) -> dict[str, str]:
    """Return the variables of a file; none if there is no such file."""
    # Installed with the controller, and not needed to list the commands.
    from dotenv import dotenv_values  # noqa: PLC0415

    return {name: value or "" for name, value in dotenv_values(file).items()}
