"""Installs Podline with the sandbox in a cluster, and waits until it is up."""

from __future__ import annotations

import json
import secrets
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from podline_cli.errors import CommandError
from podline_cli.steps import step
from sandbox.certificate import issue_certificate
from scripts.commands.programs import ROOT
from scripts.site.kubectl import Kubectl, unanswered
from scripts.site.needed_secrets import CERTIFICATE, NAMES, find_missing, read_values, secret_manifest
from scripts.site.pods import StartState, describe_deployment, find_newest

OVERLAY: Final = ROOT / "deploy" / "overlays" / "kind"
DEPLOYMENTS: Final = {
    "podline-sandbox": "podline-sandbox",
    "podline-livekit": "podline-livekit",
    "podline": "podline-controller",
    "podline-web": "podline-web",
}
"""What has to be up, in this order, each with the name that its pods have as a label."""

PATIENCE_SECONDS: Final = 180.0
"""What a Deployment gets to come up."""

_OLDEST_MINOR: Final = 31
_VALID_FOR: Final = timedelta(days=3650)
_LOG_LINES: Final = 10


def install_site(kubectl: Kubectl, patience: float = PATIENCE_SECONDS) -> None:
    """Create what the cluster lacks, bring the rest up to date, and wait until it is up.

    Raises:
        CommandError: The cluster can't be used, refuses something, or something does not come up.
    """
    with step("Installing Podline in the cluster"):
        _check_cluster(kubectl)
        _ensure_namespace(kubectl)
        _ensure_secrets(kubectl)
        _apply_overlay(kubectl)
    for deployment in DEPLOYMENTS:
        wait_until_up(kubectl, deployment, patience)


def _check_cluster(kubectl: Kubectl) -> None:
    finished = kubectl.attempt("get", "--raw", "/version")
    if finished.code != 0:
        raise unanswered(finished)
    version = json.loads(finished.output)
    minor = str(version["minor"])
    # Some providers append a sign to it.
    if int("".join(filter(str.isdigit, minor)) or 0) < _OLDEST_MINOR:
        raise CommandError(
            f"This cluster is Kubernetes {version['major']}.{minor}, and Podline needs 1.{_OLDEST_MINOR} or "
            "later: upgrade kind, then run scripts/kind-down and scripts/kind-up."
        )


def _ensure_namespace(kubectl: Kubectl) -> None:
    # Never applied by itself: that would remove the label which puts the admission rules in force.
    if kubectl.get("namespace", "podline") is None:
        manifest = str(ROOT / "deploy" / "base" / "namespace.yaml")
        kubectl.run("The namespace podline could not be created.", "create", "--save-config", "-f", manifest)


def _ensure_secrets(kubectl: Kubectl) -> None:
    """Create the missing Secrets. Values go through standard input: no list of processes shows them."""
    found = kubectl.get("secrets", *NAMES) or {"items": []}
    existing = {
        each["metadata"]["name"]: read_values(each.get("data")) for each in found.get("items", [found])
    }
    missing = find_missing(existing, secrets.token_hex, _issue_certificate)
    for name, values in missing.create.items():
        manifest = json.dumps(secret_manifest(name, values))
        kubectl.run(
            f"The Secret {name} could not be created: see above what the cluster refuses.",
            *("create", "-f", "-"),
            given=manifest,
        )
    for name, values in missing.add.items():
        kubectl.run(
            f"The Secret {name} could not be given {', '.join(values)}: see above what the cluster refuses.",
            *("patch", "secret", name, "--patch-file=/dev/stdin"),
            given=json.dumps({"stringData": values}),
        )
    certificate = {**existing, **missing.create}[CERTIFICATE]["tls.crt"]
    authorities = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "podline-authorities"},
        "data": {"ca.crt": certificate},
    }
    kubectl.run(
        "The ConfigMap podline-authorities could not be created: see above what the cluster refuses.",
        *("apply", "-f", "-"),
        given=json.dumps(authorities),
    )


def _issue_certificate() -> tuple[str, str]:
    """Issue the one of the sandbox's model, by its name in the cluster and for who forwards its port."""
    issued = issue_certificate(("podline-sandbox", "localhost"), datetime.now(UTC), _VALID_FOR)
    certificate, key = (part.decode() for part in issued)
    return certificate, key


def _apply_overlay(kubectl: Kubectl) -> None:
    said = kubectl.run(
        f"The cluster did not accept {OVERLAY.relative_to(ROOT)}: see above what it refuses.",
        *("apply", "-k", str(OVERLAY)),
    )
    changed = [line for line in said.splitlines() if not line.endswith(" unchanged")]
    sys.stdout.write("".join(f"{line}\n" for line in changed))


def wait_until_up(kubectl: Kubectl, deployment: str, patience: float = PATIENCE_SECONDS) -> None:
    """Wait until the Deployment's newest pods are ready.

    Raises:
        CommandError: They are not in time, or waiting can't mend what keeps them.
    """
    deadline = time.monotonic() + patience
    with step(f"Waiting for {deployment}") as waiting:
        while not _is_rolled_out(kubectl, deployment):
            state = read_state(kubectl, deployment)
            waiting.detail(state.text)
            if state.is_hopeless or time.monotonic() >= deadline:
                # The newest pod may have come up in between.
                if _is_rolled_out(kubectl, deployment, seconds=1):
                    break
                raise _not_up(kubectl, deployment, state)


def _is_rolled_out(kubectl: Kubectl, deployment: str, seconds: int = 2) -> bool:
    return kubectl.attempt("rollout", "status", f"deployment/{deployment}", f"--timeout={seconds}s").code == 0


def read_state(kubectl: Kubectl, deployment: str) -> StartState:
    """Say what the cluster reports of a Deployment that is not up; it may be too busy to answer."""
    try:
        found = kubectl.get("deployment", deployment)
        pod = find_newest(kubectl.items("pods", DEPLOYMENTS[deployment]))
    except CommandError as error:
        return StartState(str(error).rstrip("."))
    return describe_deployment(found or {}, pod)


def _not_up(kubectl: Kubectl, deployment: str, state: StartState) -> CommandError:
    label = f"app.kubernetes.io/name={DEPLOYMENTS[deployment]}"
    log = kubectl.log(f"deployment/{deployment}", _LOG_LINES).output
    more = f"kubectl -n podline describe pods -l {label}"
    return CommandError(f"{deployment} did not come up: {state.text}. See `{more}`.", details=log)
