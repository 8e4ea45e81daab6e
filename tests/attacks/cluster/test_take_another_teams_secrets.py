"""Who holds the controller's token wants credentials that are not a bot's, or to plant some."""

from __future__ import annotations

from typing import Any

import pytest

from testing.cluster.admission import Account, bot_secret, production_job, set_secret
from tests.attacks.cluster.changed import ABSENT, changed
from tests.attacks.cluster.denial import assert_denied_by_rules

OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "podline-probe", "uid": "a"}
MERGE = "application/merge-patch+json"
ACCOUNT_TOKEN = "kubernetes.io/service-account-token"

Attacks = dict[str, tuple[list[tuple[str, Any]], str]]
"""What is changed in a Secret that is taken, and what its denial says."""

OF_EITHER_KIND: Attacks = {
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

ATTACKS: Attacks = {
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
    **OF_EITHER_KIND,
}


def attacked(changes: list[tuple[str, Any]], secret: dict[str, Any]) -> dict[str, Any]:
    for where, value in changes:
        secret = changed(secret, where if where.startswith("meta/") else f"top/{where}", value)
    return secret


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nobody_plants(guarded: Account, unguarded: Account, attack: str) -> None:
    changes, said = ATTACKS[attack]

    await assert_denied_by_rules(guarded, unguarded, attacked(changes, bot_secret()), said)


async def test_a_bot_s_own_secret_is_taken(guarded: Account) -> None:
    taken = await guarded.attempt("POST", f"{guarded.core}/secrets", bot_secret())

    assert taken.status_code == 201, taken.text


SETS: Attacks = {
    "one that no set's index knows": ([("meta/labels", {})], "with the label podline.dev/secret-set"),
    "one with an empty label": ([("meta/labels/podline.dev~secret-set", "")], "with the label"),
    "one of a Job": ([("meta/ownerReferences", [OWNER])], "podline-set-xxxxxxxxxxxxxxxx"),
    "one with a shorter name": ([("meta/name", "podline-set-0123456789abcde")], "named for it"),
    "one with a longer name": ([("meta/name", "podline-set-0123456789abcdef0")], "named for it"),
    "one with no digits": ([("meta/name", "podline-set-operators-secret")], "named for it"),
    "an account's token": (
        [
            ("meta/annotations", {"kubernetes.io/service-account.name": "podline-controller"}),
            ("type", ACCOUNT_TOKEN),
            ("data", ABSENT),
        ],
        "Opaque",
    ),
    "a certificate": ([("type", "kubernetes.io/tls"), ("data", {"tls.crt": "", "tls.key": ""})], "Opaque"),
    **OF_EITHER_KIND,
}


@pytest.mark.parametrize("attack", SETS)
async def test_nobody_plants_as_a_secret_set(guarded: Account, unguarded: Account, attack: str) -> None:
    changes, said = SETS[attack]

    await assert_denied_by_rules(guarded, unguarded, attacked(changes, set_secret()), said)


@pytest.mark.parametrize("kind", ["Opaque", "kubernetes.io/dockerconfigjson"])
async def test_a_secret_of_a_set_is_created_replaced_and_deleted(guarded: Account, kind: str) -> None:
    """The Role that ships is enough."""
    secret = set_secret("keys" if kind == "Opaque" else "registry", kind)
    path = f"{guarded.core}/secrets/{secret['metadata']['name']}"

    answers = [
        await guarded.ask("POST", f"{guarded.core}/secrets", secret),
        await guarded.ask("PUT", path, secret),
        await guarded.ask("DELETE", path),
    ]

    assert [each.status_code for each in answers] == [201, 200, 200]


async def test_the_operator_s_secrets_are_neither_replaced_nor_deleted(
    guarded: Account, unguarded: Account
) -> None:
    """Not even one with a set's name, which without its label is none of a set's."""
    mine = set_secret("operators")
    name = mine["metadata"]["name"]
    answers = []
    for account in (unguarded, guarded):
        await widen(account, "secrets", ["patch"])
        for each in ("operators", name):
            path = f"{account.core}/secrets/{each}"
            secret = {"metadata": {"name": each}, "stringData": {"key": "value"}}
            await account.plane.api("POST", f"{account.core}/secrets", secret)
            named = {**mine, "metadata": {**mine["metadata"], "name": each}}
            patch = {"metadata": {"labels": mine["metadata"]["labels"]}, "stringData": {"key": "another"}}
            answers += [
                (await account.attempt("PUT", path, named)).status_code,
                (await account.attempt("PATCH", path, patch, MERGE)).status_code,
                (await account.attempt("DELETE", path)).status_code,
            ]

    assert answers == [200] * 6 + [422] * 6


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"podline.dev/secret-set": None}}},
        {"metadata": {"ownerReferences": [OWNER]}},
        {"metadata": {"annotations": {"example.com/any": "thing"}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
    ],
    ids=["none of a set's", "a Job's", "another program's", "one that stays"],
)
async def test_a_secret_of_a_set_can_t_be_turned_into(
    guarded: Account, unguarded: Account, patch: dict[str, Any]
) -> None:
    answers = []
    for account in (unguarded, guarded):
        await widen(account, "secrets", ["patch"])
        secret = set_secret("turned")
        made = await account.ask("POST", f"{account.core}/secrets", secret)
        assert made.status_code in (201, 409)
        path = f"{account.core}/secrets/{secret['metadata']['name']}"
        answers.append((await account.attempt("PATCH", path, patch, MERGE)).status_code)

    assert answers == [200, 422]


async def test_a_bot_s_secret_goes_with_its_job_and_not_otherwise(
    guarded: Account, unguarded: Account
) -> None:
    """Whoever replaces it could give a running call's bot another room, or leave none for one that starts."""
    answers = []
    for account in (unguarded, guarded):
        job = await account.make_job(changed(production_job("owner"), "job/suspend", value=True))
        secret = {**bot_secret(job["metadata"]["uid"], "owner"), "immutable": False}
        path = f"{account.core}/secrets/{secret['metadata']['name']}"
        answers += [
            (await account.ask("POST", f"{account.core}/secrets", secret)).status_code,
            (await account.attempt("PUT", path, {**secret, "stringData": {"TOKEN": "another"}})).status_code,
            (await account.attempt("DELETE", path)).status_code,
        ]

    assert answers == [201, 200, 200, 201, 422, 422]


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
