"""Installing Podline and calling it, with a program that plays kubectl."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from podline_cli.errors import CommandError
from scripts.site.calling import make_call
from scripts.site.installation import install_site
from scripts.site.kind import CONTEXT
from scripts.site.kubectl import Kubectl

if TYPE_CHECKING:
    from tests.unit.scripts.site.conftest import Machine

PREFIX = f"kubectl --context={CONTEXT} --namespace=podline"


@pytest.fixture
def kubectl(machine: Machine) -> Kubectl:
    assert machine.asked() == []
    return Kubectl(CONTEXT)


def test_an_older_site_s_secret_gets_what_signs_the_store_s_tokens(
    machine: Machine, kubectl: Kubectl
) -> None:
    older = {"metadata": {"name": "podline-controller"}, "data": {"PODLINE_SECRET": "b2xk"}}
    secret = machine.state / "secret-podline-controller"
    secret.write_text(json.dumps(older), encoding="utf-8")

    install_site(kubectl)
    installed = machine.secrets()
    install_site(kubectl)

    data = json.loads(secret.read_text(encoding="utf-8"))["data"]
    assert data["PODLINE_SECRET"] == "b2xk"
    assert len(base64.b64decode(data["PODLINE_STORE_SECRET"])) == 64
    assert machine.secrets() == installed


def test_an_old_cluster_is_refused(machine: Machine, kubectl: Kubectl) -> None:
    (machine.state / "minor").write_text("30+", encoding="utf-8")

    with pytest.raises(CommandError, match=r"This cluster is Kubernetes 1\.30.*, and Podline needs 1\.31"):
        install_site(kubectl)
    assert machine.secrets() == {}


def test_what_does_not_come_up_says_why(machine: Machine, kubectl: Kubectl) -> None:
    (machine.state / "failing").touch()

    with pytest.raises(
        CommandError, match="sandbox did not come up: pod/one is Pending ErrImagePull no such"
    ):
        install_site(kubectl)


@pytest.mark.parametrize(
    ("do", "command", "complaint", "sentence"),
    [
        (
            install_site,
            "get --raw",
            "The connection to the server 127.0.0.1:6443 was refused",
            r"^The cluster does not answer \(The connection to the server 127.0.0.1:6443 was refused\): see",
        ),
        (
            install_site,
            "create -f -",
            "Error from server (Forbidden): secrets is forbidden",
            "^The Secret podline-controller could not be created: see above",
        ),
        (
            install_site,
            "apply -k",
            "Error from server (Forbidden): deployments is forbidden",
            "^The cluster did not accept deploy/overlays/kind: see above",
        ),
        (make_call, "create -f", "exceeded quota", "^The caller's Job could not be created: see above"),
        (make_call, "logs", "the server is too busy", "^The call went well, but the caller's log"),
    ],
)
def test_what_the_cluster_refuses_is_one_sentence(
    machine: Machine,
    kubectl: Kubectl,
    do: Callable[[Kubectl], None],
    command: str,
    complaint: str,
    sentence: str,
) -> None:
    machine.refuse(f"{PREFIX} {command}", complaint)

    with pytest.raises(CommandError, match=sentence):
        do(kubectl)
