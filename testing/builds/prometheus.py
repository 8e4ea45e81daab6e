"""Finds promtool and Prometheus: on the PATH, else where scripts/test has unpacked Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testing.leaving_out import leave_out
from testing.processes import ROOT

UNPACKED = ROOT / ".tools" / "prometheus" / "usr" / "bin"
"""Where scripts/commands/running/needs.py unpacks Debian's package."""


def find_program(name: str, path: str | None) -> str | None:
    """Where Prometheus or promtool is: on this PATH, else unpacked."""
    return shutil.which(name, path=os.pathsep.join([path or "", str(UNPACKED)]))


def program(name: str) -> str:
    """Where a program is. Without it the test is left out, and under CI it fails."""
    found = find_program(name, os.environ.get("PATH"))
    if found is None:
        leave_out(f"{name} is not there: on Debian, as root, apt-get install prometheus")
    return found


def promtool(*arguments: str | Path) -> None:
    """Have promtool check something; what it says is the failure."""
    command = [program("promtool"), *arguments]
    said = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own files
    assert said.returncode == 0, said.stdout + said.stderr
