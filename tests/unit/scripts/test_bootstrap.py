"""The scripts before there is any package: a Python that is missing, Ctrl-C in a step."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from testing.processes import ROOT

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


def test_ctrl_c_in_a_step_prints_one_line(checkout: Path, tmp_path: Path) -> None:
    """Most of a step is a wait whose stderr is redirected."""
    step = f'source "{checkout}/scripts/lib.sh"; run_step Waiting "{tmp_path}/log" sleep 60'
    process = subprocess.Popen(  # noqa: S603 - our own script
        ["bash", "-c", step],  # noqa: S607
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    with process, process.stderr:
        assert process.stderr.readline() == "Waiting ...\n"
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        rest = process.stderr.read()

    assert (process.returncode, rest) == (130, "Interrupted.\n")
