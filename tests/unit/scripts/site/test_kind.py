"""scripts/kind-up and kind-down, with programs that play Docker, kind and kubectl."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from podline_cli.errors import CommandError
from podline_cli.local.descendants import has_ended
from scripts.commands.kind_down import kind_down
from scripts.site.images import build_images
from scripts.site.kind import (
    CONTEXT,
    check_programs,
    ensure_cluster,
    load_images,
    renew_changed,
    taken_ports,
)
from scripts.site.kubectl import Kubectl

if TYPE_CHECKING:
    from tests.unit.scripts.site.conftest import Machine

PORT = 30300
KUBECTL = f"kubectl --context={CONTEXT} --namespace=podline"


@pytest.fixture
def bare(machine: Machine) -> Machine:
    """Without a cluster, so that one is created, which needs its ports."""
    if taken_ports([("127.0.0.1", port) for port in (PORT, 30780, 30781)]):
        pytest.skip("a cluster of scripts/kind-up runs on this machine")
    return machine


def test_a_fresh_clone_comes_to_a_call(bare: Machine) -> None:
    with bare.start("kind_up") as process:
        said, complained = process.communicate(timeout=120)
    asked = bare.asked()

    assert (process.returncode, complained.count("Building podline-")) == (0, 6), complained
    assert "caller says     find running shoes" in said
    timeline = said.partition("ended as caller_left: The caller hung up.\n")[2].splitlines()[:3]
    assert timeline == ["   0.00 s  accepted", "   0.25 s  launched", "   1.50 s  joined"]
    assert "Talk to a bot in a pod: http://localhost:30300" in said
    assert "scripts/kind-down takes everything away" in said
    order = (
        "docker build",
        "kind create cluster --name podline",
        "kind load docker-image",
        "apply -k",
        "caller-job.yaml",
    )
    positions = [next(index for index, line in enumerate(asked) if step in line) for step in order]
    assert positions == sorted(positions)
    [loaded] = [line for line in asked if "kind load docker-image" in line]
    assert [word.partition(":")[0] for word in loaded.split()[3:8]] == [
        *("podline-bot", "podline-controller", "podline-sandbox", "podline-web", "podline-runner")
    ]
    secrets = bare.secrets()
    assert set(secrets) == {
        f"secret-podline-{name}"
        for name in ("controller", "admin-key", "keys", "web", "livekit", "bot", "sandbox-certificate")
    }
    values = [value for secret in secrets.values() for value in json.loads(secret)["data"].values()]
    assert not [line for line in asked for value in values if value in line], "a list of processes shows it"


def test_a_deployment_is_restarted_when_its_image_has_changed(clustered: Machine) -> None:
    kubectl = Kubectl(CONTEXT)
    renew_changed(kubectl, "controller", "podline")
    renew_changed(kubectl, "controller", "podline")
    unchanged = clustered.asked()
    (clustered.state / "layers").write_text("[2]", encoding="utf-8")
    renew_changed(kubectl, "controller", "podline")

    assert not [line for line in unchanged if "rollout restart" in line]
    assert f"{KUBECTL} rollout restart deployment podline" in clustered.asked()


def test_a_cluster_that_exists_is_used(clustered: Machine) -> None:
    ensure_cluster()

    assert clustered.asked() == ["kind get clusters", "kind export kubeconfig --name podline"]


@pytest.mark.parametrize(
    ("lacking", "advice"),
    [
        ("docker", "scripts/kind-up needs docker"),
        ("kind", "go install sigs.k8s.io/kind@latest"),
        ("kubectl", "kubernetes.io/docs/tasks/tools"),
    ],
)
def test_a_program_that_lacks_is_named_before_anything_is_done(
    machine: Machine, lacking: str, advice: str
) -> None:
    (machine.programs / lacking).unlink()

    with pytest.raises(CommandError, match=advice):
        check_programs()
    assert machine.asked() == []


def test_a_taken_port_is_named_before_a_cluster_is_created(machine: Machine) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # else another program has it, which is as good
            taken.bind(("127.0.0.1", PORT))
            taken.listen()
        with pytest.raises(CommandError, match=f"^Port {PORT} of this machine is taken"):
            ensure_cluster()

    assert machine.asked() == ["kind get clusters"]


@pytest.mark.parametrize(
    ("do", "command", "complaint", "sentence"),
    [
        (
            check_programs,
            "docker info",
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.",
            "^Docker is installed but can't be used: Docker does not answer",
        ),
        (
            lambda: build_images(["bot"], "docker"),
            "docker build",
            "write /var/lib/docker/x: no space left on device",
            "^The image podline-bot could not be built: the disk is full",
        ),
        (
            lambda: build_images(["web"], "docker"),
            "docker build",
            "npm error code E404",
            "^The image podline-web could not be built: see above what docker said",
        ),
        (
            load_images,
            "kind load",
            "no space left on device",
            "^The images could not be .*: the disk is full",
        ),
        (ensure_cluster, "kind get", "dial unix /var/run/docker.sock", "^kind can't list .*: start it"),
        (
            ensure_cluster,
            "kind export",
            "no kubeconfig",
            "^The kind cluster podline can't be used: run scripts",
        ),
    ],
)
def test_what_is_refused_is_one_sentence(
    clustered: Machine, do: Callable[[], object], command: str, complaint: str, sentence: str
) -> None:
    clustered.refuse(command, complaint)

    with pytest.raises(CommandError, match=sentence):
        do()


def test_half_a_cluster_is_deleted(bare: Machine) -> None:
    bare.refuse("kind create", "failed to init node: port is already allocated")

    with pytest.raises(
        CommandError, match="kind could not create the cluster: a port that it needs is taken"
    ):
        ensure_cluster()

    assert bare.asked()[-1] == "kind delete cluster --name podline"


@pytest.mark.parametrize(
    ("command", "undone"),
    [
        ("kind create", "kind delete cluster --name podline"),
        (f"{KUBECTL} create -f /", f"{KUBECTL} delete job podline-caller --ignore-not-found --wait=false"),
    ],
)
def test_ctrl_c_says_one_line_and_leaves_nothing(bare: Machine, command: str, undone: str) -> None:
    bare.hang(command)
    with bare.start("kind_up") as process:
        hanging = bare.until_it_hangs()
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=120)

    assert (process.returncode, complained.splitlines()[-1]) == (130, "Interrupted.")
    assert "Traceback" not in complained
    assert has_ended(hanging)
    assert bare.asked()[-1] == undone


def test_kind_down_takes_the_cluster_away_and_has_nothing_to_do_without_one(
    clustered: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    kind_down()
    first = capsys.readouterr().out
    kind_down()

    assert clustered.asked() == [
        *("kind get clusters", "kind delete cluster --name podline"),
        "kind get clusters",
    ]
    assert "The images remain" in first
    assert capsys.readouterr().out == "There is no kind cluster podline.\n"
