"""Finds LiveKit's server: named by a variable, on the PATH, or built into a cache outside the checkout.

Run as `python -m testing.builds.livekit` it makes it available and prints where it is.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from testing.builds import binaries
from testing.builds.binaries import MODULES, GoModule, cache_directory, ensure_binaries

VARIABLE = "LIVEKIT_SERVER"
"""Names the program, if it is not on the PATH."""

PROGRAM = "livekit-server"
PARTS = (GoModule(MODULES / "livekit", {PROGRAM: "github.com/livekit/livekit-server/cmd/server"}),)
CACHE = cache_directory().with_name("livekit")


def given_livekit() -> Path | None:
    """The user's own, if there is one."""
    given = os.environ.get(VARIABLE) or shutil.which(PROGRAM)
    return Path(given).absolute() if given else None


def ensure_livekit() -> Path:
    """Say where the server is, once it is there.

    Raises:
        GoUnavailableError: it has to be built, and there is no Go.
    """
    return given_livekit() or ensure_binaries(PARTS, CACHE)[PROGRAM]


def main() -> int:
    """As `testing.builds.binaries` has it."""
    if given := given_livekit():
        sys.stdout.write(f"{given}\n")
        return 0
    return binaries.main(PARTS, CACHE)


if __name__ == "__main__":
    sys.exit(main())
