"""Who holds the controller's token wants to be limited by nothing."""

from __future__ import annotations

import json

import pytest

from testing.cluster.admission import LABEL, PARAMETERS, Account, production_job, until_denied, until_taken
from testing.cluster.control_plane import ControlPlane
from tests.attacks.cluster.changed import changed

MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def parameters(account: Account) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": PARAMETERS, "namespace": account.namespace},
        "data": {"images": "evil"},
    }


async def test_the_lists_are_the_operator_s_to_write(guarded: Account) -> None:
    path = f"{guarded.core}/configmaps"
    one, body = f"{path}/{PARAMETERS}", parameters(guarded)
    answers = [
        await guarded.attempt("POST", path, body),
        await guarded.attempt("PUT", one, body),
        await guarded.attempt("PATCH", one, body, MERGE),
        await guarded.attempt("PATCH", f"{one}?fieldManager=evil&force=true", body, APPLY),
        await guarded.attempt("DELETE", one),
        await guarded.attempt("DELETE", path),
    ]

    assert [each.status_code for each in answers] == [403] * len(answers)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", f"{ADMISSION}/validatingadmissionpolicies/podline-controller-templates", None),
        ("DELETE", f"{ADMISSION}/validatingadmissionpolicybindings/podline-controller-templates", None),
        (
            "PATCH",
            f"{ADMISSION}/validatingadmissionpolicybindings/podline-controller-templates",
            {"spec": {"validationActions": ["Audit"]}},
        ),
        ("PATCH", "/api/v1/namespaces/{}", {"metadata": {"labels": dict.fromkeys(LABEL)}}),
        ("PATCH", f"{RBAC}/namespaces/{{}}/roles/podline-controller", {"rules": []}),
        ("POST", "/api/v1/namespaces/{}/serviceaccounts/default/token", {}),
        ("POST", "/api/v1/namespaces/{}/pods", {"metadata": {"name": "a"}}),
        ("POST", "/apis/batch/v1/namespaces/{}/cronjobs", {"metadata": {"name": "a"}}),
        ("POST", "/apis/apps/v1/namespaces/{}/deployments", {"metadata": {"name": "a"}}),
        ("POST", "/api/v1/namespaces/{}/pods/a/ephemeralcontainers", {}),
        ("POST", "/api/v1/namespaces/{}/pods/a/exec?command=sh", {}),
        ("GET", "/api/v1/namespaces/{}/secrets", None),
        ("GET", "/api/v1/namespaces/{}/secrets/podline-bot", None),
    ],
)
async def test_the_role_leaves_no_way_around_the_rules(
    guarded: Account, method: str, path: str, body: object
) -> None:
    content_type = MERGE if method == "PATCH" else "application/json"

    answer = await guarded.attempt(method, path.format(guarded.namespace), body, content_type)

    assert answer.status_code == 403
    assert "cannot" in answer.json()["message"]


async def test_without_its_lists_nothing_is_allowed(plane: ControlPlane, guarded: Account) -> None:
    """Also for a list that is not there, and for one that has only blanks."""
    path = f"{guarded.core}/configmaps/{PARAMETERS}"
    kept = await plane.api("GET", path)
    try:
        await plane.api("PATCH", path, {"data": {"images": " \n \n", "secrets": None}}, MERGE)
        await until_denied(guarded, "may not run the image registry.example.com/podline-bot:")
        allowed = "registry.example.com/podline-bot\nregistry.example.com/podline-runner"
        await plane.api("PATCH", path, {"data": {"images": allowed}}, MERGE)
        await until_denied(guarded, "may not use the Secret podline-bot:")
        await plane.api("DELETE", path)
        await until_denied(guarded, "no params found")
    finally:
        kept["metadata"] = {"name": PARAMETERS, "labels": kept["metadata"]["labels"]}
        await plane.kubectl("apply", f"--namespace={guarded.namespace}", "-f", "-", stdin=json.dumps(kept))
        await until_taken(guarded)


async def test_an_account_of_the_same_name_elsewhere_is_limited_too(
    plane: ControlPlane, guarded: Account, unguarded: Account
) -> None:
    """A controller may launch into another namespace than its own: what counts is where the bots are."""
    subject = f"--serviceaccount={unguarded.namespace}:podline-controller"
    await plane.kubectl(
        "create",
        "rolebinding",
        "from-elsewhere",
        "--role=podline-controller",
        subject,
        "-n",
        guarded.namespace,
    )
    job = production_job()

    taken = await unguarded.attempt("POST", guarded.jobs, job)
    denied = await unguarded.attempt("POST", guarded.jobs, changed(job, "bot/image", "evil"))

    assert (taken.status_code, denied.status_code) == (201, 422)


async def test_the_operator_is_not_limited(plane: ControlPlane, guarded: Account) -> None:
    job = changed(production_job(), "bot/image", "anything")

    await plane.api("POST", f"{guarded.jobs}?dryRun=All", job)
