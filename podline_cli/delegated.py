"""The commands that the controller's own command line has, where its packages are installed."""

from __future__ import annotations

from typing import Annotated

import typer

from podline_cli.packages import run_controller


def serve() -> None:
    """Serve the API on this machine; settings are environment variables or lines of .env."""
    run_controller(["serve"])


def room(
    key: Annotated[
        str | None, typer.Option("--key", "-k", help="Daily's API key; by default DAILY_API_KEY.")
    ] = None,
) -> None:
    """Create a Daily room for a bot that runs alone, and print its URL and a bot's token for a shell."""
    run_controller(["room", *(() if key is None else ("--key", key))])
