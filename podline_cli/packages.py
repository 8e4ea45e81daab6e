"""Packages that only some commands need, loaded once such a command is wanted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec


def run_controller(words: Sequence[str]) -> None:
    """Run a command of the controller's own command line."""
    need("fastapi", "controller", f"`podline {words[0]}`")
    import_module("controller.__main__").main(words)


def need(package: str, extra: str, what: str) -> None:
    """Exit with one sentence if the packages of an extra are not installed."""
    if find_spec(package) is None:
        sys.exit(
            f"{what} needs packages that are not installed: in Podline's checkout, run "
            f"`uv tool install '.[{extra}]'`, then try again."
        )
