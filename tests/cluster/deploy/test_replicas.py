"""What deploy/ has for several controllers: how many, their Lease, its right, and the budget of drains."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from testing.cluster.admission import install_account
from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.overlays import OVERLAYS, apply, rendered
from testing.cluster.site import BASE

REPLICAS = {"base": 1, "kind": 1, "production": 2, "selfhosted": 2}
CONTROLLER = {"app.kubernetes.io/name": "podline-controller"}
HELD: dict[str, dict[str, Any]] = {
    "metadata": {"annotations": {"podline.dev/address": "10.0.0.5:7862", "podline.dev/version": "1"}},
    "spec": {"holderIdentity": "podline-1_0badcafe", "leaseDurationSeconds": 4, "leaseTransitions": 3},
}

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def of_kind(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


async def install_controllers(plane: ControlPlane, overlay: str, namespace: str) -> str:
    """Apply the overlay's controllers, on nodes that run nothing; the path of their budget."""
    documents = await rendered(plane, overlay, namespace)
    deployment = of_kind(documents, "Deployment", "podline")
    # Its class is the whole cluster's.
    deployment["spec"]["template"]["spec"].pop("priorityClassName", None)
    account = of_kind(documents, "ServiceAccount", "podline-controller")
    budget = of_kind(documents, "PodDisruptionBudget", "podline-controller")
    await apply(plane, [account, deployment, budget])
    return f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/podline-controller"


@each_overlay
async def test_each_overlay_has_as_many_controllers_as_its_nodes_are_good_for(
    plane: ControlPlane, namespace: str, overlay: str
) -> None:
    spec = of_kind(await rendered(plane, overlay, namespace), "Deployment", "podline")["spec"]
    pod = spec["template"]["spec"]

    assert spec["replicas"] == REPLICAS[overlay]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
    }
    assert [
        (each["topologyKey"], each["whenUnsatisfiable"]) for each in pod["topologySpreadConstraints"]
    ] == [
        ("kubernetes.io/hostname", "ScheduleAnyway"),
        ("topology.kubernetes.io/zone", "ScheduleAnyway"),
    ]
    for each in pod["topologySpreadConstraints"]:
        assert each["labelSelector"]["matchLabels"] == CONTROLLER
        assert each["labelSelector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


@each_overlay
async def test_controllers_reach_each_other_and_no_service_leads_there(
    plane: ControlPlane, namespace: str, overlay: str
) -> None:
    documents = await rendered(plane, overlay, namespace)
    [container] = of_kind(documents, "Deployment", "podline")["spec"]["template"]["spec"]["containers"]
    [port] = [each for each in container["ports"] if each["name"] == "replicas"]
    [address] = [each for each in container["env"] if each["name"] == "PODLINE_REPLICA_ADDRESS"]
    policy = of_kind(documents, "NetworkPolicy", "podline-controller-replicas")["spec"]
    services = [each for each in documents if each["kind"] == "Service"]
    targets = {each["targetPort"] for service in services for each in service["spec"]["ports"]}

    peers = [{"podSelector": {"matchLabels": CONTROLLER}}]
    named = [{"port": "replicas", "protocol": "TCP"}]
    assert port["containerPort"] == 7862
    assert address["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    assert (policy["ingress"], policy["egress"]) == (
        [{"from": peers, "ports": named}],
        [{"to": peers, "ports": named}],
    )
    assert targets.isdisjoint({"replicas", 7862})


@each_overlay
async def test_one_controller_at_a_time_is_evicted(plane: ControlPlane, namespace: str, overlay: str) -> None:
    """Also where there is only one: a drain would never end otherwise."""
    wanted = REPLICAS[overlay]

    budget = await install_controllers(plane, overlay, namespace)
    known = await plane.until(budget, lambda found: found.get("status", {}).get("currentHealthy") == wanted)

    assert known["status"]["disruptionsAllowed"] == 1
    assert known["status"]["desiredHealthy"] == wanted - 1


async def test_the_second_of_two_controllers_is_not_evicted_before_the_first_has_been_replaced(
    plane: ControlPlane, namespace: str
) -> None:
    budget = await install_controllers(plane, "selfhosted", namespace)
    await plane.until(budget, lambda found: found.get("status", {}).get("disruptionsAllowed") == 1)
    pods = (await plane.api("GET", f"/api/v1/namespaces/{namespace}/pods"))["items"]

    # Without it no pod can be made that replaces one.
    await plane.api("DELETE", f"/api/v1/namespaces/{namespace}/serviceaccounts/podline-controller")

    first, second = [await plane.evict(namespace, each["metadata"]["name"]) for each in pods]

    assert first is None
    assert second is not None
    assert second.status_code == 429


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["by the client", "by the server"])
async def test_who_leads_is_not_changed_by_applying_the_manifests_again(
    plane: ControlPlane, namespace: str, options: tuple[str, ...]
) -> None:
    [lease] = yaml.safe_load_all((BASE / "lease.yaml").read_text(encoding="utf-8"))
    lease["metadata"]["namespace"] = namespace
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/podline-controller"
    await apply(plane, [lease], *options)
    await plane.api("PATCH", path, HELD, MERGE)
    held = await plane.api("GET", path)

    # A label, as a release may bring one.
    lease["metadata"]["labels"] = {"app.kubernetes.io/part-of": "podline"}
    await apply(plane, [lease], *options)

    found = await plane.api("GET", path)
    assert found["metadata"]["labels"] == lease["metadata"]["labels"]
    assert found["spec"] == held["spec"]
    assert HELD["metadata"]["annotations"].items() <= found["metadata"]["annotations"].items()


async def test_the_role_is_enough_to_lead_and_to_follow(plane: ControlPlane, namespace: str) -> None:
    account = await install_account(plane, namespace, "selfhosted")
    leases = account.lease.rpartition("/")[0]
    own = "fieldSelector=metadata.name%3Dpodline-controller"
    first = [{"op": "add", "path": "/spec", "value": HELD["spec"]}]
    renewal = [
        {"op": "test", "path": "/spec/holderIdentity", "value": "podline-1_0badcafe"},
        {"op": "add", "path": "/spec/renewTime", "value": "2026-01-01T00:00:00.000000Z"},
    ]
    as_json = "application/json-patch+json"

    answers = [
        await account.ask("PATCH", account.lease, first, as_json),
        await account.ask("PATCH", account.lease, renewal, as_json),
        await account.ask("GET", account.lease),
        await account.ask("GET", f"{leases}?{own}"),
        await account.ask("GET", f"{leases}?{own}&watch=true&timeoutSeconds=1"),
    ]

    assert [each.status_code for each in answers] == [200] * len(answers), [each.text for each in answers]
    assert '"holderIdentity":"podline-1_0badcafe"' in answers[-1].text


async def test_the_role_gives_no_right_to_another_lease(plane: ControlPlane, namespace: str) -> None:
    account = await install_account(plane, namespace, "selfhosted")
    leases = account.lease.rpartition("/")[0]

    answers = [
        await account.ask("GET", leases),
        await account.ask("GET", f"{leases}?watch=true&timeoutSeconds=1"),
        await account.ask("GET", f"{leases}/other"),
        await account.attempt("POST", leases, {"metadata": {"name": "podline-controller"}}),
        await account.attempt("DELETE", account.lease),
    ]

    assert [each.status_code for each in answers] == [403] * len(answers)
