"""The command line: `podline serve` and `podline room`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; None reads the process's own."""
    parser = argparse.ArgumentParser(prog="podline", description="Voice bots, one pod per call.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "serve",
        help="serve the API; settings are environment variables or lines of .env: docs/reference/settings.md",
    )
    room = commands.add_parser(
        "room",
        help="create a Daily room and print its URL and a bot's token as shell variables",
        description="Create a Daily room for a bot that runs alone: export $(podline room); "
        "python -m podline.runner",
    )
    room.add_argument(
        "-k", "--key", help="Daily's API key; by default DAILY_API_KEY from the environment or .env"
    )
    return parser.parse_args(arguments)
