"""Podline as it is installed on the test nodes: the overlay's own site, and others beside it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from testing.fakes.controllers.served import WebApp
from testing.node.node_cluster import NodeCluster

ROOT = Path(__file__).parents[2]
BASE = ROOT / "deploy" / "base"
COMPONENTS = BASE.parent / "components"
OVERLAY_NAMESPACE = "podline"
PATIENCE_SECONDS = 120.0
"""Only a hang takes this long: a lost node is noticed after most of a minute."""

SHARED = (
    "secret/podline-controller",
    "secret/podline-keys",
    "secret/podline-bot",
    "configmap/podline-authorities",
)
"""What scripts/kind-up creates, and other sites use as well."""

OPENED = ("rooms-in-cluster", "model-in-cluster", "store-in-cluster")
"""Components of each site: it uses the overlay's LiveKit and sandbox."""

HASTY = {
    "PODLINE_GRACE_SECONDS": "4",
    "PODLINE_KEEP_ENDED_SECONDS": "10",
    "PODLINE_SESSIONS_PER_USER": "20",
}
"""For sites of their own: tests don't wait for what a caller would want."""

Change = Callable[[dict[str, Any]], None]
"""What a site's Job template has other than the base's."""


class NodeSite(WebApp):
    """A controller in a pod, and the cluster it works in."""

    patience_seconds = PATIENCE_SECONDS

    def __init__(self, client: httpx.AsyncClient, cluster: NodeCluster, namespace: str) -> None:
        super().__init__(client)
        self.cluster = cluster
        self.namespace = namespace

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    @property
    def key(self) -> str:
        """The operator's."""
        return str(self.client.headers["Authorization"]).removeprefix("Bearer ")

    async def kubectl(self, *arguments: str) -> str:
        return await self.cluster.kubectl(f"--namespace={self.namespace}", *arguments)

    async def get(self, *arguments: str) -> Any:
        return json.loads(await self.kubectl("get", *arguments, "--output=json"))

    async def stop(self, session_id: str) -> httpx.Response:
        return await self.client.delete(f"/v1/sessions/{session_id}")

    async def pods(self, session_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get("pods", f"-lpodline.dev/session={session_id}"))["items"]
        return found

    async def pod(self, session_id: str, phase: str = "Running") -> dict[str, Any]:
        """The session's pod, once it is in this phase."""
        found = await self.cluster.until(
            f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=podline.dev/session={session_id}",
            lambda pods: any(pod["status"].get("phase") == phase for pod in pods["items"]),
        )
        pod: dict[str, Any] = found["items"][0]
        return pod

    def processes(self, pod: dict[str, Any]) -> set[int]:
        """Of the pod's containers, as its node sees them."""
        return self.cluster.worker(pod["spec"]["nodeName"]).processes(pod["metadata"]["uid"])

    async def live(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Start a session; its pod, once its bot has joined."""
        await self.start(session_id=session_id, **fields)
        await self.until(session_id, lambda session: session["phase"] in ("live", "failed"))
        return await self.pod(session_id)

    async def recorded(self, session_id: str) -> tuple[str, str]:
        """Reason and message of an ended session, where `kubectl` shows them: on its Job."""
        metadata = (await self.recorded_job(session_id))["metadata"]
        return metadata["labels"]["podline.dev/reason"], metadata["annotations"]["podline.dev/message"]

    async def recorded_job(self, session_id: str) -> dict[str, Any]:
        """The Job of an ended session, once its end is on it. A warm bot's is not named after the session."""
        found = await self.cluster.until(
            f"/apis/batch/v1/namespaces/{self.namespace}/jobs?labelSelector=podline.dev/session={session_id}",
            lambda jobs: any("podline.dev/reason" in job["metadata"]["labels"] for job in jobs["items"]),
        )
        [job] = found["items"]
        recorded: dict[str, Any] = job
        return recorded

    async def until_no_bot_is_left(self) -> None:
        """Wait until Jobs, pods, Secrets and processes of all sessions are gone."""
        core = f"/api/v1/namespaces/{self.namespace}"
        for collection in (f"/apis/batch/v1/namespaces/{self.namespace}/jobs", f"{core}/pods"):
            path = f"{collection}?labelSelector=app.kubernetes.io/name=podline-bot"
            await self.cluster.until(path, lambda found: not found["items"])
        await self.cluster.until(f"{core}/secrets", lambda found: not any(map(is_owned, found["items"])))
        await self.cluster.until_no_stray_runs()


def is_owned(secret: dict[str, Any]) -> bool:
    """Whether it is a session's, and not the operator's."""
    return "ownerReferences" in secret["metadata"]


@contextlib.asynccontextmanager
async def open_site(cluster: NodeCluster, namespace: str) -> AsyncIterator[NodeSite]:
    """Speak to a controller that is installed already, as an operator with every right."""
    key = (await secret_values(cluster, "podline-admin-key"))["key"]
    address = await cluster.kubectl(
        f"--namespace={namespace}", "get", "service", "podline", "--output=jsonpath={.spec.clusterIP}"
    )
    async with httpx.AsyncClient(
        base_url=f"http://{address}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE_SECONDS,
    ) as client:
        await until_reached(client)
        yield NodeSite(client, cluster, namespace)


async def secret_values(cluster: NodeCluster, name: str) -> dict[str, str]:
    """What one of the overlay's Secrets holds."""
    found = await cluster.kubectl(f"--namespace={OVERLAY_NAMESPACE}", "get", "secret", name, "--output=json")
    return {key: base64.b64decode(value).decode() for key, value in json.loads(found)["data"].items()}


async def let_other_sites_in(cluster: NodeCluster) -> None:
    """Let bots of every namespace reach the overlay's sandbox, which is closed to all but its own."""
    bots = {"matchLabels": {"app.kubernetes.io/name": "podline-bot"}}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "podline-sandbox-for-other-sites", "namespace": OVERLAY_NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "podline-sandbox"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"namespaceSelector": {}, "podSelector": bots}],
                    "ports": [{"port": name, "protocol": "TCP"} for name in ("model", "openai", "store")],
                }
            ],
        },
    }
    await cluster.kubectl("apply", "--filename=-", stdin=json.dumps(policy))


async def until_reached(client: httpx.AsyncClient) -> None:
    """A Service leads to a pod some moments after the pod is ready."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                if (await client.get("/readyz")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.1)  # seen from outside only


async def install(
    cluster: NodeCluster,
    namespace: str,
    change: Change = lambda _: None,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Install the base into a namespace of its own, with another Job template and other settings."""
    await cluster.kubectl("create", "namespace", namespace)
    for shared in SHARED:
        await copy(cluster, shared, namespace)
    with tempfile.TemporaryDirectory() as name:
        write_overlay(Path(name), namespace, change, settings or {})
        await cluster.kubectl("apply", "-k", name)
    await until_rolled_out(cluster, namespace)


async def until_rolled_out(cluster: NodeCluster, namespace: str) -> None:
    await cluster.kubectl(
        f"--namespace={namespace}", "rollout", "status", "deployment/podline", "--timeout=60s"
    )


@contextlib.asynccontextmanager
async def own_site(
    cluster: NodeCluster,
    namespace: str,
    change: Change = lambda _: None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[NodeSite]:
    """Install Podline beside the overlay's own; at the end nothing may be left of any session."""
    await install(cluster, namespace, change, {**HASTY, **(settings or {})})
    async with open_site(cluster, namespace) as site:
        yield site
        await site.until_no_bot_is_left()
    await cluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def copy(cluster: NodeCluster, what: str, namespace: str) -> None:
    manifest = json.loads(
        await cluster.kubectl(f"--namespace={OVERLAY_NAMESPACE}", "get", what, "--output=json")
    )
    manifest["metadata"] = {"name": manifest["metadata"]["name"], "namespace": namespace}
    await cluster.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))


def write_overlay(directory: Path, namespace: str, change: Change, settings: Mapping[str, str]) -> None:
    """An overlay such as an operator would write."""
    write_job_template(directory, change)
    environment = [{"name": name, "value": value} for name, value in settings.items()]
    controller = {"name": "controller", "env": environment}
    documents: dict[str, Any] = {
        "kustomization.yaml": {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": namespace,
            "resources": [os.path.relpath(BASE, directory), "sandbox.yaml"],
            "components": [os.path.relpath(COMPONENTS / name, directory) for name in OPENED],
            "patches": [{"path": "controller.yaml"}],
            "configMapGenerator": [
                {"name": "podline-job", "behavior": "replace", "files": ["bot-job.yaml"]},
            ],
        },
        "controller.yaml": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "podline"},
            "spec": {"template": {"spec": {"containers": [controller]}}},
        },
        # The one sandbox, by the name that its certificate is for.
        "sandbox.yaml": {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "podline-sandbox"},
            "spec": {
                "type": "ExternalName",
                "externalName": f"podline-sandbox.{OVERLAY_NAMESPACE}.svc.cluster.local",
            },
        },
    }
    for name, document in documents.items():
        (directory / name).write_text(yaml.safe_dump(document), encoding="utf-8")


def write_job_template(directory: Path, change: Change) -> None:
    job = yaml.safe_load((BASE / "bot-job.yaml").read_text(encoding="utf-8"))
    change(job)
    (directory / "bot-job.yaml").write_text(yaml.safe_dump(job), encoding="utf-8")


def bot_of(job: dict[str, Any]) -> dict[str, Any]:
    """The bot's container in a Job template."""
    [bot] = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = bot
    return found
