"""The kind cluster on this machine: created, given the images, brought up to date, and deleted."""

from __future__ import annotations

import errno
import hashlib
import shutil
import socket
from collections.abc import Iterable
from typing import Final

import yaml

from podline_cli.errors import CommandError
from podline_cli.steps import step
from scripts.commands.programs import attempt_program, run_program
from scripts.site.causes import find_cause, last_line
from scripts.site.images import docker_is_down, image_tag
from scripts.site.installation import OVERLAY, wait_until_up
from scripts.site.kubectl import Kubectl

CLUSTER: Final = "podline"
CONTEXT: Final = f"kind-{CLUSTER}"
RENEWED: Final = {"controller": "podline", "sandbox": "podline-sandbox", "web": "podline-web"}
"""Images, and the Deployment that runs each."""

_LOADED: Final = ("bot", "controller", "sandbox", "web", "runner")
_NEEDED: Final = {
    "docker": "install Docker (docs.docker.com/get-docker)",
    "kind": "install kind 0.24 or later (kind.sigs.k8s.io, or: go install sigs.k8s.io/kind@latest)",
    "kubectl": "install kubectl (kubernetes.io/docs/tasks/tools)",
}
_CONFIGURATION: Final = OVERLAY / "cluster.yaml"
_BUILT: Final = "podline.dev/built"


def check_programs() -> None:
    """Refuse a machine that lacks a program.

    Raises:
        CommandError: One is not installed, or Docker does not answer.
    """
    for name, remedy in _NEEDED.items():
        if shutil.which(name) is None:
            raise CommandError(f"scripts/kind-up needs {name}, which is not on the PATH: {remedy}.")
    with step("Asking Docker whether it is ready"):
        finished = attempt_program(["docker", "info"])
    if finished.code != 0:
        raise docker_is_down(finished.errors)


def cluster_exists() -> bool:
    """Return whether there is a kind cluster of ours.

    Raises:
        CommandError: kind can't say.
    """
    finished = attempt_program(["kind", "get", "clusters"])
    if finished.code != 0:
        cause = find_cause(finished.errors) or last_line(finished.errors)
        raise CommandError(f"kind can't list its clusters ({cause}): see whether `docker info` answers.")
    return CLUSTER in finished.output.split()


def ensure_cluster() -> None:
    """Create the cluster, or have kubectl find the one that exists.

    Raises:
        CommandError: It can't be created or used.
    """
    if cluster_exists():
        run_program(
            ["kind", "export", "kubeconfig", "--name", CLUSTER],
            f"The kind cluster {CLUSTER} can't be used: run scripts/kind-down, then scripts/kind-up.",
        )
    else:
        _check_ports()
        _create_cluster()


def _create_cluster() -> None:
    created = False
    try:
        with step("Creating the cluster (the first time kind downloads its node, about 1 GB)"):
            options = ("--name", CLUSTER, "--config", str(_CONFIGURATION), "--wait", "120s")
            finished = attempt_program(["kind", "create", "cluster", *options])
        created = finished.code == 0
    finally:
        if not created:
            # Half a cluster would be taken for one the next time.
            attempt_program(["kind", "delete", "cluster", "--name", CLUSTER])
    if not created:
        cause = (
            find_cause(finished.errors)
            or "see above what kind said, and whether `docker run hello-world` works"
        )
        raise CommandError(f"kind could not create the cluster: {cause}.", details=finished.errors)


def _check_ports() -> None:
    """Refuse taken ports, for which kind would pull its node first and then name only Docker's error."""
    nodes = yaml.safe_load(_CONFIGURATION.read_text(encoding="utf-8"))["nodes"]
    mappings = [mapping for node in nodes for mapping in node["extraPortMappings"]]
    taken = taken_ports((mapping["listenAddress"], mapping["hostPort"]) for mapping in mappings)
    if taken:
        raise CommandError(
            f"Port {taken[0]} of this machine is taken, and the cluster needs it for page or rooms: stop "
            f"the program that listens there (`lsof -i :{taken[0]}` names it), then run this again."
        )


def taken_ports(addresses: Iterable[tuple[str, int]]) -> list[int]:
    """Return the ports on which another program listens."""
    taken = []
    for address in addresses:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(address)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    taken.append(address[1])
    return taken


def load_images() -> None:
    """Give the cluster's node the images.

    Raises:
        CommandError: kind can't load them.
    """
    with step("Loading the images into the cluster (about a minute)"):
        images = [image_tag(name) for name in _LOADED]
        finished = attempt_program(["kind", "load", "docker-image", *images, "--name", CLUSTER])
    if finished.code != 0:
        cause = find_cause(finished.errors) or "see above what kind said"
        raise CommandError(
            f"The images could not be loaded into the cluster: {cause}.", details=finished.errors
        )


def renew_changed(kubectl: Kubectl, image: str, deployment: str) -> None:
    """Restart a Deployment whose image is not the one it was started with.

    Images keep their names when they are built again, so nothing in the cluster would notice. Bots that run
    go on with the image they have; what the sandbox plays for them breaks off where its own has changed.

    Raises:
        CommandError: Docker or the cluster refuses, or the Deployment does not come up.
    """
    # Not the image's id, which names the moment of the build too where Docker adds an attestation.
    description = run_program(
        [
            "docker",
            "image",
            "inspect",
            "--format",
            "{{json .RootFS.Layers}}{{json .Config.Env}}",
            image_tag(image),
        ],
        f"Docker has no image {image_tag(image)} to compare with: run scripts/build-images.",
    )
    built = hashlib.sha256(description.encode()).hexdigest()[:16]
    known = kubectl.get("deployment", deployment)["metadata"].get("annotations", {}).get(_BUILT)
    has_changed = known not in (None, built)
    if has_changed:
        kubectl.run(
            f"{deployment} could not be restarted: see above what the cluster refuses.",
            *("rollout", "restart", "deployment", deployment),
        )
    kubectl.run(
        f"{deployment} could not be annotated: see above what the cluster refuses.",
        *("annotate", "--overwrite", "deployment", deployment, f"{_BUILT}={built}"),
    )
    if has_changed:
        wait_until_up(kubectl, deployment)


def delete_cluster() -> None:
    """Delete the cluster with all that is in it.

    Raises:
        CommandError: kind can't.
    """
    with step("Deleting the cluster"):
        finished = attempt_program(["kind", "delete", "cluster", "--name", CLUSTER])
    if finished.code != 0:
        cause = find_cause(finished.errors) or "see above what kind said, then run this again"
        raise CommandError(f"The cluster could not be deleted: {cause}.", details=finished.errors)
