"""Other revisions of this repository, unpacked from its history, with an environment that they run in."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from testing.processes import ROOT

_LOCK: Final = "uv.lock"


@dataclass(frozen=True)
class Checkout:
    """A working copy of the repository, and a Python with the packages in its lock file."""

    tree: Path
    python: Path

    @property
    def variables(self) -> dict[str, str]:
        """What makes this Python import from this tree."""
        return {"PYTHONPATH": str(self.tree)}


OURS: Final = Checkout(ROOT, Path(sys.executable))


class RevisionUnavailableError(Exception):
    """The repository doesn't have a revision."""


def unpack(revision: str, tree: Path) -> None:
    """Put the files of a revision into a directory.

    Raises:
        RevisionUnavailableError: the history here doesn't have it.
    """
    command = ["git", "archive", revision]
    packed = subprocess.run(  # noqa: S603 - names come from us or a developer
        command, cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode != 0:
        raise RevisionUnavailableError(revision)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")


def with_environment(tree: Path) -> Checkout:
    """Return a checkout in our own environment if that has what it locks, else in one of its own."""
    if _packages(tree).items() <= _packages(ROOT).items():
        return Checkout(tree, OURS.python)
    script = "source scripts/lib.sh; ensure_environment dev --all-extras --all-groups"
    command = ["bash", "-c", script]
    subprocess.run(command, cwd=tree, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own
    return Checkout(tree, tree / ".venv" / "bin" / "python")


def _packages(tree: Path) -> dict[str, Any]:
    """Return the version of each package that a checkout locks."""
    locked = tomllib.loads((tree / _LOCK).read_text(encoding="utf-8"))["package"]
    return {f"{each['name']} {each.get('version')}": True for each in locked}
