"""The program `podline`. It loads the packages of a command only once that command is wanted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from io import TextIOWrapper
from typing import Final

from podline.contract.text import is_unicode
from podline_cli.errors import ExitCode
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
    # Python keeps bytes that are not UTF-8 as halves of surrogate pairs.
    if not all(map(is_unicode, words)):
        sys.stderr.write("An argument is not valid UTF-8: type it again.\n")
        sys.exit(ExitCode.USAGE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal of another encoding shows escapes of the characters that it lacks.
            stream.reconfigure(errors="backslashreplace")
    try:
        app = import_module("podline_cli.app").build_app(words)
        run_to_exit = import_module("podline_cli.running").run_to_exit
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(ExitCode.INTERRUPTED)
    run_to_exit(partial(app, args=words, prog_name="podline"))


if __name__ == "__main__":
    main()
