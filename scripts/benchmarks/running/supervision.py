"""A program that is ended with everything it started, in whatever way it or we end.

This process adopts all orphans below it, so it finds programs that left their session or lost their parent.
If this process is killed, the program sees the end of its standard input and ends by itself.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from podline_cli.local.descendants import adopt_orphans, end_orphans

PATIENCE_SECONDS: Final = 20.0
"""How long a program may take to end what it started, before all that is left of it is killed."""


def run_supervised(command: Sequence[str | Path], directory: Path, variables: Mapping[str, str]) -> int:
    """Run a program and return its exit code, once nothing that it started is left.

    The program gets a session of its own, so that Ctrl-C reaches only us. We ask it to end by closing its
    standard input.
    """
    adopt_orphans()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=directory,
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        _ask_to_end(process)
        end_orphans()


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101 - asked for
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE_SECONDS)
