"""What a cluster does to the objects of a fake API server: Job controller, scheduler, kubelet, collector.

A step is taken when a test says so. `act_alone` lets them react to what is stopped or deleted, as they would.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from testing.fakes.kubernetes.api_objects import Change, Objects, RefusalError, Thing, is_going

AT: Final = "2026-01-01T12:00:00Z"
REACTION_SECONDS: Final = 0.1
COLLECTION_SECONDS: Final = 3.0
"""Measured: an owned Secret goes 1-4 s after its Job."""


class Cluster:
    """One namespace."""

    def __init__(self, objects: Objects, namespace: str = "podline") -> None:
        self._objects = objects
        self._namespace = namespace

    def act_alone(self) -> None:
        self._objects.reactions.append(self._react)

    # --- steps ---

    def make_pod(self, job_name: str) -> str:
        """The Job controller makes the one pod of a Job; it waits for a node."""
        job = self._objects.get("jobs", self._namespace, job_name)
        template = job["spec"]["template"]
        name = f"{job_name}-x2x9k"
        owner = {"kind": "Job", "name": job_name, "uid": job["metadata"]["uid"]}
        labels = {**template["metadata"]["labels"], "job-name": job_name}
        self._objects.create(
            "pods",
            self._namespace,
            {
                "metadata": {
                    **template["metadata"],
                    "name": name,
                    "labels": labels,
                    "ownerReferences": [owner],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending", "conditions": []},
            },
        )
        self._update("jobs", job_name, {"active": 1, "startTime": AT})
        return name

    def schedule(self, pod_name: str) -> None:
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": AT}
        self._objects.patch("pods", self._namespace, pod_name, {"spec": {"nodeName": "node-1"}})
        self._update("pods", pod_name, {"conditions": [scheduled]})
        self.set_state(pod_name, {"waiting": {"reason": "ContainerCreating"}})

    def run(self, job_name: str) -> str:
        """Up to a bot that runs."""
        pod_name = self.make_pod(job_name)
        self.schedule(pod_name)
        self.set_state(pod_name, {"running": {"startedAt": AT}}, phase="Running")
        return pod_name

    def end(self, pod_name: str, code: int = 0, message: str = "", reason: str = "") -> None:
        """The bot's process ends, then its Job."""
        terminated: Thing = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "message": message,
            "finishedAt": AT,
        }
        self.set_state(pod_name, {"terminated": terminated}, phase="Failed" if code else "Succeeded")
        job_name = pod_name.rpartition("-")[0]
        if code:
            said = f"Container bot for pod {self._namespace}/{pod_name} failed with exit code {code} matching"
            self.end_job(job_name, "Failed", "PodFailurePolicy", f"{said} FailJob rule at index 1")
        else:
            self.end_job(job_name, "Complete", "CompletionsReached")

    def set_state(self, pod_name: str, state: Thing, **status: Any) -> None:
        self._update("pods", pod_name, {"containerStatuses": [{"name": "bot", "state": state}], **status})

    def end_job(self, job_name: str, kind: str, reason: str, message: str = "") -> None:
        """Once: the first end of a Job is its end, and a Job that is gone needs none."""
        job = self._objects.find("jobs", self._namespace, job_name)
        if job is not None and not has_ended(job):
            condition = {"type": kind, "status": "True", "reason": reason, "message": message}
            self._update("jobs", job_name, {"conditions": [condition], "active": 0})

    def collect(self) -> None:
        """Delete what belongs to something that is gone."""
        alive = {job["metadata"]["uid"] for job in self._objects.all("jobs", self._namespace)}
        for kind in ("pods", "secrets"):
            for thing in self._objects.all(kind, self._namespace):
                owners = {owner["uid"] for owner in thing["metadata"].get("ownerReferences", ())}
                if owners and not owners & alive:
                    self._objects.delete(kind, self._namespace, thing["metadata"]["name"])

    # --- by themselves ---

    def _react(self, change: Change) -> None:
        later = asyncio.get_running_loop().call_later
        if change.kind == "jobs" and change.after is not None and is_stopped(change.after):
            later(REACTION_SECONDS, self._stop, change.after["metadata"]["name"])
        if change.kind == "jobs" and change.after is None:
            later(COLLECTION_SECONDS, self.collect)
        if change.kind == "secrets" and change.after is not None:
            # An owner that was gone before is noticed as well.
            later(COLLECTION_SECONDS, self.collect)
        if change.kind == "pods" and change.after is not None and is_going(change.after):
            later(REACTION_SECONDS, self._let_go, change.after["metadata"]["name"])
        if change.kind == "pods" and change.after is None and change.before is not None:
            later(REACTION_SECONDS, self._fail_for_pod, change.before["metadata"]["name"])

    def _stop(self, job_name: str) -> None:
        """The Job controller has seen the deadline: the pod goes first."""
        pod_name = f"{job_name}-x2x9k"
        pod = self._objects.find("pods", self._namespace, pod_name)
        if pod is not None and pod["status"]["phase"] in ("Pending", "Running"):
            self._objects.patch("pods", self._namespace, pod_name, {"metadata": {"deletionTimestamp": AT}})
            asyncio.get_running_loop().call_later(2 * REACTION_SECONDS, self._stop, job_name)
        else:
            self.end_job(
                job_name, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
            )

    def _let_go(self, pod_name: str) -> None:
        """The kubelet ends the process, and the pod is forgotten."""
        pod = self._objects.find("pods", self._namespace, pod_name)
        if pod is None:
            return
        if pod["status"]["phase"] == "Running":
            self.set_state(pod_name, {"terminated": {"exitCode": 143, "reason": "Error"}}, phase="Failed")
        with suppress(RefusalError):
            self._objects.delete("pods", self._namespace, pod_name)

    def _fail_for_pod(self, pod_name: str) -> None:
        self.end_job(
            pod_name.rpartition("-")[0],
            "Failed",
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        )

    def _update(self, kind: str, name: str, status: Thing) -> None:
        self._objects.patch(kind, self._namespace, name, {"status": status})


def has_ended(job: Thing) -> bool:
    conditions = job.get("status", {}).get("conditions", ())
    return any(each["type"] in ("Complete", "Failed") and each["status"] == "True" for each in conditions)


def is_stopped(job: Thing) -> bool:
    return job.get("spec", {}).get("activeDeadlineSeconds") == 0 and not has_ended(job)
