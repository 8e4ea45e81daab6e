"""The command line: `podline serve`."""

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
    return parser.parse_args(arguments)
