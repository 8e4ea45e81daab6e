"""The release before this one, to run beside it: a cluster runs both during an upgrade.

Run as `python -m testing.builds.previous_release`, makes it available and prints where it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from testing.builds import binaries
from testing.builds.binaries import only_one, print_built
from testing.builds.checkouts import Checkout, RevisionUnavailableError, unpack, with_environment

COMMIT: Final = "6234615a1121cdac52776067340983292a92b762"
"""The last commit of the release before this one.

With each release, move it to that release's last commit: the next one has to get along with it."""


def ensure_previous_release(commit: str = COMMIT) -> Checkout:
    """Return a checkout of the previous release, outside this one.

    Raises:
        RevisionUnavailableError: this checkout has no history.
    """
    cache = binaries.cache_directory().with_name("releases")
    tree = cache / commit[:12]
    with only_one(cache, "the previous release"):
        if not tree.exists():
            _unpack(commit, tree)
        return with_environment(tree)


def _unpack(commit: str, tree: Path) -> None:
    """Unpack it beside its path, then move it there, so that half of one is never found."""
    unfinished = tree.with_name(f".{tree.name}.{os.getpid()}")
    try:
        unpack(commit, unfinished)
    except RevisionUnavailableError:
        raise RevisionUnavailableError(
            f"The previous release, commit {commit[:8]}, is not in this checkout's history: get all "
            "of it with `git fetch --unshallow`."
        ) from None
    unfinished.rename(tree)


def main() -> int:
    """Make it available, and print its path."""

    def built() -> list[Path]:
        return [ensure_previous_release().tree]

    return print_built("the previous release", built, RevisionUnavailableError)


if __name__ == "__main__":
    sys.exit(main())
