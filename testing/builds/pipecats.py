"""Environments with other versions of Pipecat than the lock's, made by uv in a cache of ours."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from testing.builds import binaries
from testing.builds.binaries import only_one

ROOT: Final = Path(__file__).parents[2]
OLDEST: Final = "pipecat-ai==1.10.0"
"""What docs/images.md promises to agents' own images."""


def ensure_pipecat(requirement: str, python: str = sys.executable) -> Path:
    """Return an interpreter that has this Pipecat and nothing of ours."""
    key = hashlib.sha256(f"{requirement} {python} {sys.version}".encode()).hexdigest()[:12]
    cache = binaries.cache_directory().with_name("pipecats")
    environment = cache / f"{requirement.partition('==')[2]}-{key}"
    if not environment.exists():
        with only_one(cache, f"an environment with {requirement}"):
            if not environment.exists():
                _make(environment, requirement, python)
    return environment / "bin" / "python"


def find_uv() -> Path:
    """Return the uv that scripts/lib.sh has got for this checkout, or the one on the PATH."""
    return next((ROOT / ".tools").glob("uv-*/bin/uv"), Path("uv"))


def _make(environment: Path, requirement: str, python: str) -> None:
    """Make it beside its path, then move it there, so that half of one is never found."""
    uv = find_uv()
    unfinished = environment.with_name(f".{environment.name}.{os.getpid()}")
    excluded = unfinished.with_suffix(".excluded")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    excluded.write_text("\n".join(settings["exclude-dependencies"]), encoding="utf-8")
    # Relocatable, because it is moved.
    made: list[str | Path] = [uv, "venv", "--quiet", "--relocatable", f"--python={python}", unfinished]
    subprocess.run(made, check=True)  # noqa: S603 - our own
    installed: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        f"--python={unfinished}",
        f"--excludes={excluded}",
        requirement,
    ]
    subprocess.run(installed, check=True)  # noqa: S603 - our own
    excluded.unlink()
    unfinished.rename(environment)
