"""The example web app as a developer has it: installed from its lock, built, and its npm scripts run.

Run as `python -m testing.builds.web_example`, installs it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testing.builds.binaries import print_built

EXAMPLE: Final = Path(__file__).parent.parent.parent / "examples" / "nextjs"
OLDEST_NODE: Final = (20, 19)
_BUILD_SECONDS: Final = 300
_NOT_SOURCES: Final = {"node_modules", ".next", "next-env.d.ts"}


class NodeUnavailableError(Exception):
    """There is no Node that is new enough; the sentence says what to do."""


def install() -> None:
    """Install the packages in the lock file, unless they are there already.

    Raises:
        NodeUnavailableError: This machine can't.
        subprocess.CalledProcessError: npm failed; what it said has been printed.
    """
    node = _node_version()
    with _one_at_a_time():
        wanted = _digest([EXAMPLE / "package.json", EXAMPLE / "package-lock.json"], node)
        stamp = EXAMPLE / "node_modules" / ".podline"
        if _said(stamp) != wanted:
            _npm("ci", "--no-progress", "--loglevel=error")
            stamp.write_text(wanted)


def build() -> None:
    """Install it, and build it unless nothing has changed since it was built.

    Raises:
        NodeUnavailableError: This machine can't.
        subprocess.CalledProcessError: npm failed; what it said has been printed.
    """
    install()
    with _one_at_a_time():
        wanted = _digest(sorted(_sources()), _node_version())
        stamp = EXAMPLE / ".next" / ".podline"
        if _said(stamp) != wanted:
            _npm("run", "build")
            stamp.write_text(wanted)


def run(script: str) -> subprocess.CompletedProcess[str]:
    """Run one of its npm scripts, with what it says in one stream."""
    return subprocess.run(  # noqa: S603 - our own scripts
        [_program("npm"), "run", "--silent", script],
        cwd=EXAMPLE,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )


def serve_command(port: int) -> list[str]:
    """The command that serves the built app on loopback, as one process to be ended."""
    return [
        _program("node"),
        str(EXAMPLE / "node_modules" / "next" / "dist" / "bin" / "next"),
        "start",
        str(EXAMPLE),
        "--hostname",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def _npm(*arguments: str) -> None:
    subprocess.run(  # noqa: S603 - our own arguments
        [_program("npm"), *arguments], cwd=EXAMPLE, env=_environment(), timeout=_BUILD_SECONDS, check=True
    )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NodeUnavailableError("The example web app needs Node 20.19 or later, with npm (nodejs.org).")
    return found


def _node_version() -> str:
    said = subprocess.run(  # noqa: S603 - Node's own program
        [_program("node"), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    major, minor, *_ = (int(part) for part in said.removeprefix("v").split("."))
    if (major, minor) < OLDEST_NODE:
        raise NodeUnavailableError(
            f"The example web app needs Node 20.19 or later (nodejs.org); {said} is on the PATH."
        )
    return said


def _environment() -> dict[str, str]:
    return {**os.environ, "NEXT_TELEMETRY_DISABLED": "1", "NO_COLOR": "1"}


def _sources() -> Iterator[Path]:
    for top in EXAMPLE.iterdir():
        if top.name in _NOT_SOURCES or top.suffix == ".tsbuildinfo":
            continue
        yield from [top] if top.is_file() else (path for path in top.rglob("*") if path.is_file())


def _digest(files: list[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for path in files:
        digest.update(f"\0{path.relative_to(EXAMPLE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _said(stamp: Path) -> str | None:
    return stamp.read_text() if stamp.exists() else None


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two runs of the tests at once wait for each other."""
    with (EXAMPLE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Install it. The exit code is 3 if this machine can't have it, 1 if the installation fails."""
    return print_built("the example web app", _installed, NodeUnavailableError)


def _installed() -> list[Path]:
    install()
    return [EXAMPLE]


if __name__ == "__main__":
    sys.exit(main())
