"""Checks of a cluster by kubectl: may we do there what the controller does?"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from podline.contract.text import printable
from podline_cli.local.findings import Finding, failed, ok, skipped, warning

RIGHTS: Final = (
    ("namespaces", "", ("get",)),
    ("jobs.batch", "", ("create", "get", "list", "watch", "patch", "delete")),
    ("pods", "", ("list", "watch", "patch", "delete")),
    ("pods", "log", ("get",)),
    ("secrets", "", ("create", "update", "delete")),
    ("configmaps", "", ("list", "watch")),
    ("configmaps/podline-agents", "", ("get", "patch")),
    ("configmaps/podline-secret-sets", "", ("get", "patch")),
    ("leases.coordination.k8s.io/podline-controller", "", ("get", "list", "watch", "patch")),
    ("events", "", ("list", "create")),
)
"""Resource, subresource and verbs of each rule in deploy/base/role.yaml."""

_SECONDS: Final = 10.0
_REQUEST: Final = "--request-timeout=5s"
_ANSWERS: Final = ("yes", "no")


def check_cluster(variables: Mapping[str, str], home: Path) -> Iterator[Finding]:
    """Yield what is found about the cluster in the kubeconfig."""
    if not _has_kubeconfig(variables, home):
        yield skipped("cluster", "There is no kubeconfig.")
        return
    kubectl = shutil.which("kubectl", path=variables.get("PATH"))
    if kubectl is None:
        yield skipped("cluster", "There is a kubeconfig, but no kubectl on the PATH to check it with.")
        return
    namespace = variables.get("PODLINE_NAMESPACE", "").strip()
    missing: list[str] = []
    for resource, subresource, verbs in RIGHTS:
        for verb in verbs:
            answer, said = _may(kubectl, verb, resource, subresource, namespace)
            if answer not in _ANSWERS:
                yield _finding(
                    variables,
                    f"The cluster doesn't answer kubectl: {said}.",
                    "Choose another cluster with `kubectl config use-context NAME`, or start this one.",
                )
                return
            if answer == "no":
                missing.append(f"{verb} {resource}{f'/{subresource}' if subresource else ''}")
    where = f"in the namespace {namespace}" if namespace else "in the kubeconfig's namespace"
    if missing:
        yield _finding(
            variables,
            f"You may not {', '.join(missing)} {where}.",
            "Ask the cluster's operator for deploy/base/role.yaml, or use a user who has these rights.",
        )
    else:
        yield ok("cluster", f"You may do all that the controller does {where}.")


def _finding(variables: Mapping[str, str], message: str, remedy: str) -> Finding:
    """Return a failure if the controller here runs its bots in this cluster, else a warning."""
    say = failed if variables.get("PODLINE_RUNTIME", "").strip() == "kubernetes" else warning
    return say("cluster", message, remedy)


def _may(kubectl: str, verb: str, resource: str, subresource: str, namespace: str) -> tuple[str, str]:
    """Return kubectl's answer, and the end of what else it said."""
    command = [kubectl, "auth", "can-i", verb, resource, _REQUEST]
    command += [f"--subresource={subresource}"] if subresource else []
    command += [f"--namespace={namespace}"] if namespace else []
    try:
        done = subprocess.run(  # noqa: S603 - found on the PATH
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", type(error).__name__
    said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
    answers = done.stdout.strip().splitlines()
    return (answers[-1] if answers else ""), printable(said, 200).rstrip(".")


def _has_kubeconfig(variables: Mapping[str, str], home: Path) -> bool:
    named = variables.get("KUBECONFIG", "").strip()
    paths = [Path(each) for each in named.split(":") if each] if named else [home / ".kube" / "config"]
    return any(path.is_file() for path in paths)
