"""Each overlay is taken whole by a real API server, in a namespace with the rules that the base's has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job
from controller.runtimes.kubernetes.job.template import read_template
from testing.cluster.admission import remove_policies
from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.overlays import OVERLAYS, TEMPLATES, apply, rendered
from testing.cluster.site import BASE

POOL = {"podline.dev/pool": "bots"}

overlays = pytest.mark.parametrize("overlay", OVERLAYS)


@pytest.fixture
async def restricted(plane: ControlPlane, namespace: str) -> str:
    """A namespace with the labels of the base's own."""
    [document] = yaml.safe_load_all((BASE / "namespace.yaml").read_text(encoding="utf-8"))
    labels = document["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    await plane.api("PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}}, MERGE)
    return namespace


@pytest.fixture
async def budget(plane: ControlPlane, restricted: str) -> str:
    """The base's disruption budget, in force; the path of it."""
    documents = [each for each in await rendered(plane, "base", restricted) if "Budget" in each["kind"]]
    await apply(plane, documents)
    return f"/apis/policy/v1/namespaces/{restricted}/poddisruptionbudgets/podline-bot"


@pytest.fixture
async def pool(plane: ControlPlane) -> AsyncIterator[None]:
    """One of the nodes is of the pool that production's bots are for."""
    path = "/api/v1/nodes/fake-0"
    taint = {"key": "podline.dev/pool", "value": "bots", "effect": "NoSchedule"}
    await plane.api("PATCH", path, {"metadata": {"labels": POOL}, "spec": {"taints": [taint]}}, MERGE)
    yield
    none = dict.fromkeys(POOL)
    await plane.api("PATCH", path, {"metadata": {"labels": none}, "spec": {"taints": None}}, MERGE)


async def make_bot(plane: ControlPlane, namespace: str, template: Path = TEMPLATES["base"]) -> str:
    """A Job as the controller makes it; the path of its pod, once that runs."""
    job = session_job(read_template(template, namespace), EXAMPLE, grace_seconds=30, keep_ended_seconds=60)
    await plane.api("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    found = await plane.until(
        f"{pods}?labelSelector=app.kubernetes.io/name=podline-bot",
        lambda found: any(each["status"]["phase"] == "Running" for each in found["items"]),
    )
    return f"{pods}/{found['items'][0]['metadata']['name']}"


async def evict(plane: ControlPlane, pod: str) -> int:
    """What the API server answers."""
    namespace, _, name = pod.removeprefix("/api/v1/namespaces/").partition("/pods/")
    refusal = await plane.evict(namespace, name)
    return 201 if refusal is None else refusal.status_code


@overlays
async def test_the_api_server_takes_all_of_it(plane: ControlPlane, restricted: str, overlay: str) -> None:
    documents = await rendered(plane, overlay, restricted)

    said = await apply(plane, documents, "--dry-run=server")

    assert len(said.splitlines()) == len(documents)
    assert all(line.endswith("created (server dry run)") for line in said.splitlines())


@overlays
async def test_its_own_pods_are_let_in(plane: ControlPlane, restricted: str, overlay: str) -> None:
    documents = await rendered(plane, overlay, restricted)
    try:
        await apply(plane, documents)
        deployments = await plane.until(
            f"/apis/apps/v1/namespaces/{restricted}/deployments",
            lambda found: all(
                each["status"].get("availableReplicas") == each["spec"]["replicas"] for each in found["items"]
            ),
        )
    finally:
        await plane.kubectl("delete", "priorityclass", "podline", "--ignore-not-found")
        await remove_policies(plane)
        # Ports of nodes are the whole cluster's.
        await plane.kubectl("--namespace", restricted, "delete", "services", "--all")

    wanted = {each["metadata"]["name"] for each in documents if each["kind"] == "Deployment"}
    assert {each["metadata"]["name"] for each in deployments["items"]} == wanted


async def test_the_kind_overlay_s_caller_is_let_in(plane: ControlPlane, restricted: str) -> None:
    [job] = yaml.safe_load_all((OVERLAYS["kind"] / "caller-job.yaml").read_text(encoding="utf-8"))
    job["metadata"]["namespace"] = restricted

    await apply(plane, [job])

    await plane.until(f"/api/v1/namespaces/{restricted}/pods", lambda pods: len(pods["items"]) == 1)


@pytest.mark.usefixtures("pool")
async def test_production_s_bots_run_in_their_pool_above_batch_work(
    plane: ControlPlane, restricted: str
) -> None:
    [priority] = [
        each for each in await rendered(plane, "production", restricted) if each["kind"] == "PriorityClass"
    ]
    await apply(plane, [priority])
    try:
        pod = await plane.api("GET", await make_bot(plane, restricted, TEMPLATES["production"]))
    finally:
        await plane.kubectl("delete", "priorityclass", "podline")

    spec = pod["spec"]
    assert (spec["nodeName"], spec["priority"], spec["preemptionPolicy"]) == ("fake-0", 100000, "Never")
    assert not [each for each in spec["volumes"] if "projected" in each]
    assert pod["metadata"]["annotations"]["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"


async def test_production_s_controller_launches_production_s_bots(
    plane: ControlPlane, restricted: str
) -> None:
    """The ConfigMap that its Deployment mounts has the overlay's own file, in place of the base's."""
    documents = await rendered(plane, "production", restricted)
    [template] = [each for each in documents if "bot-job.yaml" in each.get("data", {})]
    [deployment] = [each for each in documents if each["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]

    assert template["data"] == {"bot-job.yaml": TEMPLATES["production"].read_text(encoding="utf-8")}
    mounted = {each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each}
    # The other one is the operator's own, where there is one.
    assert mounted == {template["metadata"]["name"], "podline-prices"}
    [container] = spec["containers"]
    assert container["image"].startswith("registry.example.com/podline-controller:")


async def test_a_bot_in_a_call_is_not_evicted_and_one_that_has_ended_is(
    plane: ControlPlane, restricted: str, budget: str
) -> None:
    pod = await make_bot(plane, restricted)
    known = await plane.until(budget, lambda found: found.get("status", {}).get("currentHealthy") == 1)

    while_running = await evict(plane, pod)
    await plane.annotate(pod, {"fate.test/end": "exit-0"})
    await plane.until(pod, lambda found: found["status"]["phase"] == "Succeeded")
    afterwards = await evict(plane, pod)

    assert (while_running, afterwards) == (429, 201)
    [condition] = known["status"]["conditions"]
    # Not SyncFailed: the budget needs nothing of a Job that a Job does not have.
    assert (condition["type"], condition["reason"]) == ("DisruptionAllowed", "InsufficientPods")


@pytest.mark.usefixtures("budget")
async def test_a_bot_that_is_not_ready_holds_up_no_drain(plane: ControlPlane, restricted: str) -> None:
    pod = await make_bot(plane, restricted)
    unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    merge = "application/strategic-merge-patch+json"

    await plane.api("PATCH", f"{pod}/status", unready, merge)

    assert await evict(plane, pod) == 201


async def test_a_drain_waits_for_the_last_call(plane: ControlPlane, restricted: str, budget: str) -> None:
    pod = await make_bot(plane, restricted)
    await plane.until(budget, lambda found: found.get("status", {}).get("currentHealthy") == 1)
    node = (await plane.api("GET", pod))["spec"]["nodeName"]
    command = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
    # The pods of other tests stay.
    only = "--pod-selector=app.kubernetes.io/name=podline-bot"
    draining = asyncio.create_task(plane.kubectl(*command, only))
    try:
        await asyncio.sleep(2)
        waits = not draining.done()
        phase = (await plane.api("GET", pod))["status"]["phase"]
        await plane.annotate(pod, {"fate.test/end": "exit-0"})
        said = await draining
    finally:
        draining.cancel()
        await plane.kubectl("uncordon", node)

    assert (waits, phase) == (True, "Running")
    assert said.splitlines()[-1] == f"node/{node} drained"
