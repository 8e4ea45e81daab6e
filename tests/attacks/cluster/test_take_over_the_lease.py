"""Who holds a token wants callers' requests, keys included: controllers send them to whom the Lease names."""

from __future__ import annotations

from typing import Any

import pytest

from testing.cluster.admission import ACCOUNT, Account
from testing.cluster.control_plane import ControlPlane

MERGE = "application/merge-patch+json"
HOLDER: dict[str, Any] = {"spec": {"holderIdentity": "podline-1_0badcafe", "leaseDurationSeconds": 4}}


def named(address: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"podline.dev/address": address}}, **HOLDER}


@pytest.mark.parametrize("address", ["10.244.1.9:7862", "[fd00::9]:7862"])
async def test_a_controller_leads_at_its_pod_s_address(guarded: Account, address: str) -> None:
    answer = await guarded.attempt("PATCH", guarded.lease, named(address), MERGE)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "address",
    [
        "203.0.113.9:443",
        "10.250.0.1:6443",
        "evil.example.com:7862",
        "10.244.1.9",
        "10.244.1.9:17862",
        "@203.0.113.9:7862",
    ],
)
async def test_callers_requests_are_sent_nowhere_but_to_the_port_between_controllers(
    guarded: Account, unguarded: Account, address: str
) -> None:
    answers = [
        (await account.attempt("PATCH", account.lease, named(address), MERGE)).status_code
        for account in (unguarded, guarded)
    ]

    assert answers == [200, 422]


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"app.kubernetes.io/part-of": "mine"}},
        {"finalizers": ["example.com/never"]},
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "a"}]},
        {"annotations": {"example.com/mine": "1"}},
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
    ],
    ids=["its labels", "its end", "its owner", "annotations", "what kubectl applied"],
)
async def test_nothing_of_the_lease_changes_but_who_leads(
    guarded: Account, unguarded: Account, metadata: dict[str, Any]
) -> None:
    answers = [
        (await account.attempt("PATCH", account.lease, {"metadata": metadata}, MERGE)).status_code
        for account in (unguarded, guarded)
    ]

    assert answers == [200, 422]


async def test_no_other_lease_is_read_or_written(plane: ControlPlane, guarded: Account) -> None:
    leases = guarded.lease.rpartition("/")[0]
    other = {"metadata": {"name": "other"}}
    await plane.api("POST", leases, other)
    answers = [
        await guarded.attempt("PATCH", f"{leases}/other", HOLDER, MERGE),
        await guarded.ask("GET", f"{leases}/other"),
        await guarded.ask("GET", leases),
        await guarded.attempt("POST", leases, {"metadata": {"name": "another"}}),
        await guarded.attempt("DELETE", f"{leases}/other"),
        await guarded.attempt("DELETE", guarded.lease),
    ]
    await plane.api("DELETE", f"{leases}/other")

    assert [each.status_code for each in answers] == [403] * len(answers)


async def test_a_right_to_create_and_delete_leases_would_not_help(
    plane: ControlPlane, guarded: Account
) -> None:
    """An operator may have given it too much."""
    leases = guarded.lease.rpartition("/")[0]
    subject = f"--serviceaccount={guarded.namespace}:{ACCOUNT}"
    own = ("-n", guarded.namespace)
    await plane.kubectl("create", "role", "leases", "--verb=*", "--resource=leases.coordination.k8s.io", *own)
    await plane.kubectl("create", "rolebinding", "leases", "--role=leases", subject, *own)
    try:
        answers = [
            await guarded.attempt("POST", leases, {"metadata": {"name": "another"}}),
            await guarded.attempt("DELETE", guarded.lease),
        ]
    finally:
        await plane.kubectl("delete", "rolebinding/leases", "role/leases", *own)

    assert [each.status_code for each in answers] == [422, 422]


async def test_a_bot_s_account_has_no_right_to_it(plane: ControlPlane, guarded: Account) -> None:
    """Its pod has no token; with one it would still get nothing."""
    bot = Account(
        plane, guarded.namespace, await plane.service_account_token(guarded.namespace, "default"), ""
    )

    answers = [
        await bot.ask("GET", guarded.lease),
        await bot.attempt("PATCH", guarded.lease, named("10.244.1.9:7862"), MERGE),
        await bot.attempt("DELETE", guarded.lease),
    ]

    assert [each.status_code for each in answers] == [403, 403, 403]
