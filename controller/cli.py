"""The command line: `podline serve` and `podline room`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; None reads the process's own."""
    parser = argparse.ArgumentParser(prog="podline", description="One voice bot for each call.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser(
        "serve", help="serve the API; settings come from PODLINE_ variables and .env, see .env.example"
    )
    room = commands.add_parser(
        "room",
        help="make a Daily room and print its URL and a bot's token as variables for a shell",
        description="Make a Daily room for a bot run alone: export $(podline room); python -m bot",
    )
    room.add_argument("-k", "--key", help="Daily's API key; else DAILY_API_KEY, from .env too")
    return parser.parse_args(arguments)
