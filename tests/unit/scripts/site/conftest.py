"""A machine with nothing on its PATH but programs that play Docker, kind and kubectl."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from testing.fakes.kubernetes import cluster_tools

ROOT = Path(__file__).parents[4]
FAKES = ("docker", "kind", "kubectl")


@dataclass
class Machine:
    """One whose programs remember what they were asked in `state`."""

    programs: Path
    state: Path

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", f"scripts.commands.{command}"],
            cwd=ROOT,
            env={"PATH": str(self.programs), "FAKE_TOOLS": str(self.state)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def asked(self) -> list[str]:
        """Return the fakes' arguments since this was last called."""
        lines = cluster_tools.remembered(self.state / "asked").splitlines()
        (self.state / "asked").write_text("", encoding="utf-8")
        return lines

    def refuse(self, command: str, complaint: str) -> None:
        (self.state / "refuses").write_text(f"{command} -> {complaint}\n", encoding="utf-8")

    def hang(self, command: str) -> None:
        (self.state / "hangs").write_text(f"{command}\n", encoding="utf-8")

    def until_it_hangs(self) -> int:
        """Wait until a command hangs, and return its process."""
        while not (number := cluster_tools.remembered(self.state / "hanging")):
            time.sleep(0.02)
        return int(number)

    def secrets(self) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in self.state.glob("secret-*")}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    git = shutil.which("git")
    assert git is not None
    (programs / "git").symlink_to(git)
    for name in FAKES:
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -ESs {state}/{name} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        (state / name).symlink_to(Path(cluster_tools.__file__))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("FAKE_TOOLS", str(state))
    return Machine(programs, state)


@pytest.fixture
def clustered(machine: Machine) -> Machine:
    """With a kind cluster."""
    (machine.state / "cluster").touch()
    return machine
