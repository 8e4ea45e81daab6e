"""Jobs as Podline makes them, as far as a cluster notices, with the fate of their pod."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from testing.cluster.control_plane import MERGE, ControlPlane
from testing.cluster.paths import NamespacePaths

FAIL_ON_ANY_END = {
    "rules": [
        {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
    ]
}


def bot_job(name: str, annotations: Mapping[str, str], grace_seconds: int = 4) -> dict[str, Any]:
    """One pod, once; the annotations stand on the pod and say how it ends."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": FAIL_ON_ANY_END,
            "template": {
                "metadata": {"annotations": dict(annotations)},
                "spec": {
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": grace_seconds,
                    "containers": [{"name": "bot", "image": "registry.invalid/bot:1"}],
                },
            },
        },
    }


def conditions(job: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Those that are true, by their type."""
    found = job.get("status", {}).get("conditions", [])
    return {condition["type"]: condition for condition in found if condition["status"] == "True"}


def is_over(job: Mapping[str, Any]) -> bool:
    return not {"Complete", "Failed"}.isdisjoint(conditions(job))


def bot_state(pod: Mapping[str, Any]) -> dict[str, Any]:
    """`running`, `waiting` or `terminated`, or nothing yet."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return statuses[0]["state"] if statuses else {}


@dataclass
class BareBot(NamespacePaths):
    """A Job made without Podline, and its pod."""

    plane: ControlPlane
    namespace: str
    pod_name: str = ""
    name: str = "bot"
    grace_seconds: int = 4
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def job_path(self) -> str:
        return f"{self.jobs}/{self.name}"

    @property
    def pods_path(self) -> str:
        return f"{self.pods}?labelSelector=job-name%3D{self.name}"

    @property
    def pod_path(self) -> str:
        return f"{self.pods}/{self.pod_name}"

    async def create(self) -> None:
        job = bot_job(self.name, self.annotations, self.grace_seconds)
        await self.plane.api("POST", self.job_path.rpartition("/")[0], job)

    async def until_pod(self, what: Callable[[Any], bool]) -> dict[str, Any]:
        pods = await self.plane.until(self.pods_path, lambda pods: any(map(what, pods["items"])))
        pod: dict[str, Any] = next(filter(what, pods["items"]))
        self.pod_name = pod["metadata"]["name"]
        return pod

    async def until_running(self) -> None:
        await self.until_pod(lambda pod: "running" in bot_state(pod))

    async def until_waiting(self, reason: str) -> dict[str, Any]:
        pod = await self.until_pod(lambda pod: bot_state(pod).get("waiting", {}).get("reason") == reason)
        assert pod["status"]["phase"] == "Pending"
        waiting: dict[str, Any] = bot_state(pod)["waiting"]
        return waiting

    async def until_over(self) -> dict[str, dict[str, str]]:
        return conditions(await self.plane.until(self.job_path, is_over))

    async def until_gone(self) -> None:
        await self.plane.until(self.pods_path, lambda pods: not pods["items"])

    async def expire(self) -> None:
        await self.plane.api("PATCH", self.job_path, {"spec": {"activeDeadlineSeconds": 0}}, MERGE)

    async def delete_pod(self, query: str = "") -> None:
        await self.plane.api("DELETE", self.pod_path + query)
