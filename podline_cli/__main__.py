"""The program `podline`. It loads the packages of a command only once that command is wanted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Final

from podline_cli.packages import need, run_controller

OF_THE_CONTROLLER: Final = frozenset({"room", "serve"})
"""Commands that need none of the command line's own packages."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that the arguments name; None reads the process's own."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words and words[0] in OF_THE_CONTROLLER:
        run_controller(words)
        return
    need("typer", "cli", "The command line")
    app = import_module("podline_cli.app").build_app(words)
    import_module("podline_cli.running").run_to_exit(partial(app, args=words, prog_name="podline"))


if __name__ == "__main__":
    main()
