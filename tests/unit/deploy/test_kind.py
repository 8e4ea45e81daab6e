"""scripts/kind-up and kind-down, with programs that play Docker, kind and kubectl."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from testing.fakes.kubernetes import cluster_tools

ROOT = Path(__file__).parents[3]
FAKES = ("docker", "kind", "kubectl")
REAL = (
    *(
        "bash",
        "env",
        "sed",
        "awk",
        "grep",
        "cat",
        "cut",
        "cksum",
        "head",
        "tail",
        "tr",
        "mktemp",
        "rm",
        "sleep",
    ),
    *("base64", "dirname", "git", "openssl"),
)


@dataclass
class Machine:
    """One that has nothing on its PATH but what a script is to need."""

    programs: Path
    state: Path

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own script
            [ROOT / "scripts" / script],
            env={"PATH": str(self.programs), "FAKE_TOOLS": str(self.state), "site_patience": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def asked(self) -> list[str]:
        """Return the fakes' arguments since this was last called."""
        written = self.state / "asked"
        lines = written.read_text(encoding="utf-8").splitlines() if written.exists() else []
        written.write_text("", encoding="utf-8")
        return lines

    def secrets(self) -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in self.state.glob("secret-*")}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    state.mkdir()
    for name in REAL:
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    for name in FAKES:
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {state}/{name} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        (state / name).symlink_to(Path(cluster_tools.__file__))
    return Machine(programs, state)


def test_a_fresh_clone_comes_to_a_call(machine: Machine) -> None:
    done = machine.run("kind-up")
    asked = machine.asked()

    assert (done.returncode, done.stderr.count("Built podline-")) == (0, 6)
    assert "caller says     find running shoes" in done.stdout
    timeline = done.stdout.partition("ended as caller_left: The caller hung up.\n")[2].splitlines()[:3]
    assert timeline == ["   0.00 s  accepted", "   0.25 s  launched", "   1.50 s  joined"]
    assert "Talk to a bot in a pod: http://localhost:30300" in done.stdout
    assert "scripts/kind-down takes everything away" in done.stdout
    order = (
        "docker build",
        "kind create cluster --name podline",
        "kind load docker-image",
        "apply -k",
        "create -f",
    )
    positions = [next(index for index, line in enumerate(asked) if step in line) for step in order]
    assert positions == sorted(positions)
    [loaded] = [line for line in asked if "kind load docker-image" in line]
    assert [word.partition(":")[0] for word in loaded.split()[3:8]] == [
        *("podline-bot", "podline-controller", "podline-sandbox", "podline-web", "podline-runner")
    ]
    assert set(machine.secrets()) == {
        f"secret-podline-{name}"
        for name in ("controller", "admin-key", "keys", "web", "livekit", "bot", "sandbox-certificate")
    }


def test_a_second_time_keeps_the_secrets_and_restarts_what_has_changed(machine: Machine) -> None:
    machine.run("kind-up")
    secrets, _ = machine.secrets(), machine.asked()

    again = machine.run("kind-up")
    unchanged = machine.asked()
    (machine.state / "layers").write_text("[2]", encoding="utf-8")
    changed = machine.run("kind-up")

    assert (again.returncode, changed.returncode) == (0, 0)
    assert machine.secrets() == secrets
    assert not [line for line in unchanged if "create cluster" in line or "rollout restart" in line]
    restarted = [line.split()[-1] for line in machine.asked() if "rollout restart" in line]
    assert restarted == ["podline", "podline-sandbox", "podline-web"]


@pytest.mark.parametrize(
    ("lacking", "advice"),
    [
        ("docker", "scripts/kind-up needs docker"),
        ("kind", "go install sigs.k8s.io/kind@latest"),
        ("kubectl", "kubernetes.io/docs/tasks/tools"),
        ("openssl", "needs openssl"),
    ],
)
def test_a_program_that_lacks_is_named_before_anything_is_done(
    machine: Machine, lacking: str, advice: str
) -> None:
    (machine.programs / lacking).unlink()

    done = machine.run("kind-up")

    assert (done.returncode, machine.asked()) == (1, [])
    assert advice in done.stderr


def test_a_docker_that_is_down_is_told(machine: Machine) -> None:
    (machine.state / "docker-down").touch()

    done = machine.run("kind-up")

    assert done.returncode == 1
    assert (
        done.stderr == "Docker is installed and does not answer: start it, or see what 'docker info' says.\n"
    )
    assert machine.asked() == ["docker info"]


def test_an_old_cluster_is_refused(machine: Machine) -> None:
    (machine.state / "minor").write_text("30", encoding="utf-8")

    done = machine.run("kind-up")

    assert done.returncode == 1
    assert "This cluster is Kubernetes 1.30, and Podline needs 1.31 or later" in done.stderr
    assert machine.secrets() == {}


def test_what_does_not_come_up_says_why(machine: Machine) -> None:
    (machine.state / "failing").touch()

    done = machine.run("kind-up")

    assert done.returncode == 1
    assert "podline-sandbox did not come up: pod/one is Pending ErrImagePull no such image." in done.stderr


def test_kind_down_takes_the_cluster_away_and_has_nothing_to_do_without_one(machine: Machine) -> None:
    (machine.state / "cluster").touch()

    first, second = machine.run("kind-down"), machine.run("kind-down")

    assert (first.returncode, second.returncode) == (0, 0)
    assert machine.asked() == ["kind get clusters", "kind delete cluster --name podline", "kind get clusters"]
    assert "What is left are images" in first.stdout
    assert second.stdout == "There is no kind cluster podline.\n"


@pytest.mark.skipif(os.name != "posix", reason="scripts are for bash")
@pytest.mark.parametrize("name", ["kind-up", "kind-down", "lib-site.sh"])
def test_the_scripts_are_bash(name: str) -> None:
    subprocess.run(["bash", "-n", ROOT / "scripts" / name], check=True)  # noqa: S603, S607
