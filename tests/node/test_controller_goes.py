"""A call goes on while its controller is killed or replaced, and the next one has it on record as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.voice import Voice
from testing.builds.images import image_name
from testing.node.asking import asking, learning_late
from testing.node.moving import CONTROLLER, ready_pod, ready_pods, until_back
from testing.node.node_cluster import NodeCluster
from testing.node.site import (
    OVERLAY_NAMESPACE,
    ROOT,
    NodeSite,
    until_reached,
    until_rolled_out,
    write_job_template,
)
from testing.node.talking import talking
from testing.node.worker import run

DEPLOYMENT = f"/apis/apps/v1/namespaces/{OVERLAY_NAMESPACE}/deployments/podline"
CONFIGURATIONS = f"/api/v1/namespaces/{OVERLAY_NAMESPACE}/configmaps"
NEXT_IMAGE = "docker.io/library/podline-controller:next"
LEAST_REQUESTS = 100
"""Any update takes longer than that many."""

NEXT_TEMPLATE = "example.com/template"
SHIPPED_ANNOTATIONS = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt")


@pytest.fixture
async def put_back(installed: NodeCluster) -> AsyncIterator[None]:
    """At the end the controller's Deployment is again what it was."""
    spec = (await installed.api("GET", DEPLOYMENT))["spec"]
    configurations = await configuration_names(installed)
    yield
    change = [
        {"op": "replace", "path": f"/spec/{name}", "value": spec[name]} for name in ("template", "replicas")
    ]
    await installed.api("PATCH", DEPLOYMENT, change, "application/json-patch+json")
    await until_rolled_out(installed, OVERLAY_NAMESPACE)
    for name in await configuration_names(installed) - configurations:
        await installed.api("DELETE", f"{CONFIGURATIONS}/{name}")


@pytest.fixture
async def next_image(installed: NodeCluster) -> AsyncIterator[str]:
    """The controller's image under another name, on all nodes."""
    for worker in installed.workers:
        await run(worker.ctr("images", "tag", image_name("controller"), NEXT_IMAGE))
    yield NEXT_IMAGE
    for worker in installed.workers:
        await run(worker.ctr("images", "remove", NEXT_IMAGE))


async def test_a_call_goes_on_when_the_controllers_pod_is_killed(site: NodeSite, voice: Voice) -> None:
    controller = await ready_pod(site.cluster, CONTROLLER)
    async with talking(site, voice) as call:
        name = controller["metadata"]["name"]
        await site.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        await until_back(site, controller)
        await call.is_found_again()
        await call.asks()

    await call.is_on_record()


async def test_a_call_goes_on_when_the_controllers_process_is_killed(site: NodeSite, voice: Voice) -> None:
    controller = await ready_pod(site.cluster, CONTROLLER)
    restarts = controller["status"]["containerStatuses"][0]["restartCount"]
    async with talking(site, voice) as call:
        os.kill(process_of(site, controller), signal.SIGKILL)
        await ready_pod(site.cluster, CONTROLLER, restarts=restarts + 1)
        await until_reached(site.client)
        await call.is_found_again()
        await call.asks()

    await call.is_on_record()


@pytest.mark.usefixtures("put_back")
async def test_an_update_of_two_controllers_interrupts_no_call_and_fails_no_request(
    site: NodeSite, voice: Voice, next_image: str
) -> None:
    await site.kubectl("scale", "deployment/podline", "--replicas=2")
    async with talking(site, voice) as call:
        await ready_pods(site.cluster, CONTROLLER, 2)
        async with (
            learning_late(site.cluster, CONTROLLER),
            asking(site, "during-update") as requests,
        ):
            await site.kubectl("set", "image", "deployment/podline", f"controller={next_image}")
            await ready_pods(site.cluster, CONTROLLER, 2, next_image)
        await call.is_found_again()
        await call.asks()

    await call.is_on_record()
    assert len(await site.pods("during-update")) == 1
    await site.stop("during-update")
    await site.until_over("during-update")
    assert requests.sent > LEAST_REQUESTS
    assert not requests.failures, str(requests)


@pytest.mark.usefixtures("put_back")
async def test_a_changed_template_is_for_the_next_call_and_leaves_the_running_one_alone(
    site: NodeSite, voice: Voice, tmp_path: Path
) -> None:
    controller = await ready_pod(site.cluster, CONTROLLER)
    write_overlay_with_next_template(tmp_path)
    async with talking(site, voice) as call:
        await site.cluster.kubectl("apply", "-k", str(tmp_path))
        await until_back(site, controller)
        await call.is_found_again()
        await call.asks()
        running = await site.pod(call.session["id"])
        next_pod = await site.live("next-template")

    await call.is_on_record()
    await site.stop("next-template")
    await site.until_over("next-template")
    assert running["metadata"]["uid"] == call.pod["metadata"]["uid"]
    assert NEXT_TEMPLATE not in running["metadata"]["annotations"]
    assert NEXT_TEMPLATE in next_pod["metadata"]["annotations"]


def process_of(site: NodeSite, controller: dict[str, Any]) -> int:
    """The controller itself, not the one that started it."""
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in site.processes(controller)}
    [found] = [pid for pid, name in names.items() if name == "podline"]
    return found


def mark_as_next(job: dict[str, Any]) -> None:
    job["spec"]["template"]["metadata"]["annotations"][NEXT_TEMPLATE] = "next"


def write_overlay_with_next_template(directory: Path) -> None:
    """The overlay that is installed, with another Job template: as an operator would write it."""
    write_job_template(directory, mark_as_next)
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": OVERLAY_NAMESPACE,
        "resources": [os.path.relpath(ROOT / "deploy" / "overlays" / "kind", directory)],
        "configMapGenerator": [
            {
                "name": "podline-job",
                "namespace": OVERLAY_NAMESPACE,
                "behavior": "replace",
                "files": ["bot-job.yaml"],
            }
        ],
        # What the template has beyond the overlay's own is to be allowed.
        "patches": [{"patch": yaml.safe_dump(allowing_annotations(NEXT_TEMPLATE, *SHIPPED_ANNOTATIONS))}],
    }
    (directory / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")


def allowing_annotations(*names: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "podline-admission", "namespace": OVERLAY_NAMESPACE},
        "data": {"annotations": "\n".join(names)},
    }


async def configuration_names(cluster: NodeCluster) -> set[str]:
    return {each["metadata"]["name"] for each in (await cluster.api("GET", CONFIGURATIONS))["items"]}
