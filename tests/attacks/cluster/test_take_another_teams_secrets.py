"""Who holds the controller's token wants credentials that are not a bot's, or to plant some."""

from __future__ import annotations

from typing import Any

import pytest

from testing.cluster.admission import Account, bot_secret, production_job
from tests.attacks.cluster.changed import ABSENT, changed

OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "podline-probe", "uid": "a"}
ACCOUNT_TOKEN = "kubernetes.io/service-account-token"

ATTACKS: dict[str, tuple[list[tuple[str, Any]], str]] = {
    "an account's token": (
        [
            ("meta/annotations", {"kubernetes.io/service-account.name": "podline-controller"}),
            ("type", ACCOUNT_TOKEN),
            ("immutable", ABSENT),
            ("stringData", ABSENT),
        ],
        "Opaque",
    ),
    "a way for nodes to join": ([("type", "bootstrap.kubernetes.io/token")], "Opaque"),
    "a registry's password": (
        [("type", "kubernetes.io/dockercfg"), ("stringData", {".dockercfg": "{}"})],
        "Opaque",
    ),
    "a certificate": (
        [("type", "kubernetes.io/tls"), ("stringData", {"tls.crt": "", "tls.key": ""})],
        "Opaque",
    ),
    "one of any type": ([("type", "example.com/any")], "Opaque"),
    "one that stays": ([("meta/ownerReferences", ABSENT)], "one Job owns"),
    "one of two owners": ([("meta/ownerReferences/+", OWNER)], "one Job owns"),
    "one of a ConfigMap": (
        [("meta/ownerReferences", [{**OWNER, "apiVersion": "v1", "kind": "ConfigMap"}])],
        "one Job owns",
    ),
    "one of a Job of another API": (
        [("meta/ownerReferences", [{**OWNER, "apiVersion": "batch.example.com/v1"}])],
        "one Job owns",
    ),
    "one with the operator's name": ([("meta/name", "podline-bot")], "named for it"),
    "one with another Job's name": ([("meta/name", "somebody-else-0123abcd")], "named for it"),
    "one with a longer name": ([("meta/name", "podline-probe-0123abcd-more")], "named for it"),
    "one with no digits": ([("meta/name", "podline-probe-keys1234")], "named for it"),
    "one that can't be deleted": ([("meta/finalizers", ["example.com/never"])], "finalizers"),
    "one that another program takes for its own": (
        [("meta/labels/argocd.argoproj.io~secret-type", "cluster")],
        "labels",
    ),
    "one that a program copies elsewhere": (
        [("meta/annotations", {"reflector.v1.k8s.emberstack.com/reflection-allowed": "true"})],
        "annotations",
    ),
}


def attacked(changes: list[tuple[str, Any]]) -> dict[str, Any]:
    secret = bot_secret()
    for where, value in changes:
        secret = changed(secret, where if where.startswith("meta/") else f"top/{where}", value)
    return secret


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nobody_plants(guarded: Account, unguarded: Account, attack: str) -> None:
    changes, said = ATTACKS[attack]
    secret = attacked(changes)

    without_rules = await unguarded.attempt("POST", f"{unguarded.core}/secrets", secret)
    denied = await guarded.attempt("POST", f"{guarded.core}/secrets", secret)

    assert without_rules.status_code == 201, without_rules.text
    assert denied.status_code == 422
    assert said in denied.json()["message"].partition("denied request: ")[2]


async def test_a_bot_s_own_secret_is_taken(guarded: Account) -> None:
    taken = await guarded.attempt("POST", f"{guarded.core}/secrets", bot_secret())

    assert taken.status_code == 201, taken.text


async def test_a_wider_role_does_not_let_the_account_change_or_delete_the_operator_s_secrets(
    guarded: Account, unguarded: Account
) -> None:
    """Rules for later uses of Secrets hold already: a Role that lets it replace and delete is not enough."""
    answers = []
    for account in (unguarded, guarded):
        await widen(account, "secrets", ["update", "patch", "delete"])
        secret = {"metadata": {"name": "operators"}, "stringData": {"key": "value"}}
        await account.plane.api("POST", f"{account.core}/secrets", secret)
        path = f"{account.core}/secrets/operators"
        stolen = {**bot_secret(), "immutable": False}
        stolen["metadata"]["name"] = "operators"
        patch = {"stringData": {"key": "another"}}
        answers += [
            (await account.attempt("PUT", path, stolen)).status_code,
            (await account.attempt("PATCH", path, patch, "application/merge-patch+json")).status_code,
            (await account.attempt("DELETE", path)).status_code,
        ]

    assert answers == [200, 200, 200, 422, 422, 422]


async def test_a_wider_role_lets_the_account_replace_and_delete_a_bot_s_secret(guarded: Account) -> None:
    await widen(guarded, "secrets", ["update", "delete"])
    job = await guarded.make_job(changed(production_job("owner"), "job/suspend", value=True))
    secret = {**bot_secret(job["metadata"]["uid"], "owner"), "immutable": False}
    path = f"{guarded.core}/secrets/{secret['metadata']['name']}"
    made = await guarded.ask("POST", f"{guarded.core}/secrets", secret)

    replaced = await guarded.attempt("PUT", path, {**secret, "stringData": {"TOKEN": "another"}})
    deleted = await guarded.attempt("DELETE", path)

    assert (made.status_code, replaced.status_code, deleted.status_code) == (201, 200, 200)


async def widen(account: Account, resource: str, verbs: list[str]) -> None:
    """Give the account more than its Role."""
    made = await account.plane.kubectl(
        "create", "role", "wider", f"--resource={resource}", *(f"--verb={verb}" for verb in verbs),
        "--dry-run=client", "--output=yaml",
    )  # fmt: skip
    subject = f"--serviceaccount={account.namespace}:podline-controller"
    bound = await account.plane.kubectl(
        "create", "rolebinding", "wider", "--role=wider", subject, "--dry-run=client", "--output=yaml"
    )
    for manifest in (made, bound):
        await account.plane.kubectl("apply", f"--namespace={account.namespace}", "-f", "-", stdin=manifest)
