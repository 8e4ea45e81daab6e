"""What a Deployment and its newest pod tell about why it is not up, and whether waiting can help. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

HOPELESS: Final = frozenset(
    {
        "ErrImagePull",
        "ErrImageNeverPull",
        "ImagePullBackOff",
        "ImageInspectError",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CrashLoopBackOff",
    }
)
"""Reasons for which a container waits, and that no waiting mends."""

Item = Mapping[str, Any]
"""An object of the cluster, as kubectl prints it."""


class StartState(NamedTuple):
    """How far a pod is.

    Attributes:
        text: for a person, such as "pod/one is Pending ErrImagePull ...".
        is_hopeless: True if waiting can't mend it.
    """

    text: str
    is_hopeless: bool = False


NO_POD: Final = StartState("there is no pod")


def find_newest(items: Iterable[Item]) -> Item | None:
    """Return the object that was created last."""
    return max(
        items,
        key=lambda item: (item["metadata"]["creationTimestamp"], item["metadata"]["name"]),
        default=None,
    )


def describe_pod(pod: Item | None) -> StartState:
    """Say what the cluster reports of a pod: its phase, and why its containers wait or have ended."""
    if pod is None:
        return NO_POD
    status = pod.get("status", {})
    words = [f"pod/{pod['metadata']['name']} is {status.get('phase', 'unknown')}"]
    reasons = set()
    for container in _unfinished(status):
        for state in container.get("state", {}).values():
            reasons.add(state.get("reason", ""))
            words += [state.get("reason", ""), state.get("message", "")]
    words += [
        condition.get("message", "")
        for condition in status.get("conditions", [])
        if condition["type"] == "PodScheduled"
    ]
    return StartState(" ".join(" ".join(words).split()), not reasons.isdisjoint(HOPELESS))


def _unfinished(status: Mapping[str, Any]) -> Iterable[Item]:
    """Return what is known of the containers, without the init containers that have done their work."""
    for container in status.get("initContainerStatuses", []):
        if container.get("state", {}).get("terminated", {}).get("exitCode") != 0:
            yield container
    yield from status.get("containerStatuses", [])


def describe_deployment(deployment: Item, pod: Item | None) -> StartState:
    """Say why a Deployment is not up: its pods can't be created, or what its newest pod reports."""
    for condition in deployment.get("status", {}).get("conditions", []):
        if condition["type"] == "ReplicaFailure":
            return StartState(f"no pod can be made ({condition['message']})")
    return describe_pod(pod)


def job_result(job: Item) -> bool | None:
    """Return whether a Job has done its work; None while it is under way."""
    met = {
        condition["type"]
        for condition in job.get("status", {}).get("conditions", [])
        if condition["status"] == "True"
    }
    return True if "Complete" in met else False if "Failed" in met else None
