"""The scripts before there is any package: a Python that is missing, a registry that is silent, Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testing.processes import ROOT, processes_of

NEEDED = (
    "scripts/lib.sh",
    "scripts/check",
    "scripts/uv.txt",
    "pyproject.toml",
    "uv.lock",
    "podline/machine_errors.py",
)
TOOLS = (
    "bash",
    "cat",
    "cksum",
    "cut",
    "dirname",
    "env",
    "grep",
    "head",
    "mkdir",
    "rm",
    "sed",
    "sh",
    "sleep",
    "tail",
)
PATIENCE_SECONDS = 120


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What scripts/check reads before it installs anything."""
    for name in NEEDED:
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
    return tmp_path / "checkout"


@pytest.fixture
def silent_registry() -> Iterator[socket.socket]:
    """A package registry that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_SECONDS)
        yield listening


def variables(tmp_path: Path, *programs: str, **more: str) -> dict[str, str]:
    """An environment with a PATH of the tools that the scripts use, and with these programs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*TOOLS, *programs):
        found = shutil.which(name)
        assert found is not None, name
        (folder / name).symlink_to(found)
    (tmp_path / "tmp").mkdir()
    return {"PATH": str(folder), "HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp"), **more}


def test_a_missing_python_is_told_in_one_sentence(checkout: Path, tmp_path: Path) -> None:
    ended = subprocess.run(  # noqa: S603 - our own script
        [checkout / "scripts" / "check"],
        env=variables(tmp_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        "Podline needs Python 3.11 or later, and the PATH has none: "
        "install it from python.org or your system's packages, then run this again.\n"
    )


@pytest.mark.parametrize(
    ("which", "code", "line"),
    [(signal.SIGINT, 130, "Interrupted."), (signal.SIGTERM, 143, "Ended by a signal.")],
)
def test_a_signal_while_uv_is_fetched_ends_in_one_line_and_leaves_nothing(
    checkout: Path,
    tmp_path: Path,
    silent_registry: socket.socket,
    which: signal.Signals,
    code: int,
    line: str,
) -> None:
    registry = f"http://127.0.0.1:{silent_registry.getsockname()[1]}/simple"
    own = variables(tmp_path, "mv", PIP_INDEX_URL=registry, PIP_CONFIG_FILE=os.devnull)
    own["PATH"] += f":{sys.base_prefix}/bin"
    script = subprocess.Popen(  # noqa: S603 - our own script
        [checkout / "scripts" / "check"],
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        connection, _ = silent_registry.accept()
        os.killpg(script.pid, which)
        said, _ = script.communicate(timeout=PATIENCE_SECONDS)
        connection.close()
    finally:
        script.kill()

    assert script.returncode == code
    assert [each for each in said.splitlines() if not each.startswith("Getting uv ")] == [line]
    assert list((checkout / ".tools").iterdir()) == []
    assert list((tmp_path / "tmp").glob("podline-*")) == []
    assert processes_of(checkout) == []
