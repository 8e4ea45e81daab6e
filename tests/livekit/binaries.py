"""Finds LiveKit's server: named by a variable, on the PATH, or built into a cache outside the checkout.

Run as `python -m tests.livekit.binaries` it makes it available and prints where it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.binaries import Binary, Part, cache_directory, only_one, tell
from tests.cluster.go import GoUnavailableError, find_go

VARIABLE = "LIVEKIT_SERVER"
"""Names the program, where it is not on the PATH."""

PROGRAM = "livekit-server"
PART = Part(
    Path(__file__).parent / "parts" / "livekit", {PROGRAM: "github.com/livekit/livekit-server/cmd/server"}
)


def ensure_livekit() -> Path:
    """Say where the server is, once it is there.

    Raises:
        GoUnavailableError: it has to be built, and there is no Go.
    """
    given = os.environ.get(VARIABLE) or shutil.which(PROGRAM)
    if given:
        return Path(given).absolute()
    cache = cache_directory().with_name("livekit")
    binary = Binary(PROGRAM, PART.packages[PROGRAM], PART, cache / f"{PART.module}-{PART.key}" / PROGRAM)
    if not binary.path.exists():
        with only_one(cache, "LiveKit's server"):
            if not binary.path.exists():
                _build(binary)
    return binary.path


def _build(binary: Binary) -> None:
    # The cluster's cache, where Go may be already.
    go = find_go(cache_directory())
    tell(f"Building LiveKit's server into {binary.path.parent}: two minutes the first time on 2 cores ...")
    began = time.monotonic()
    binary.build(go)
    tell(f"Built in {time.monotonic() - began:.0f} s.")


def main() -> int:
    """Exit with 3 where this machine can't have it, so that a script can tell that from a failed build."""
    try:
        path = ensure_livekit()
    except GoUnavailableError as error:
        tell(str(error))
        return 3
    except subprocess.CalledProcessError as error:
        tell(f"LiveKit's server could not be built: {error}")
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
