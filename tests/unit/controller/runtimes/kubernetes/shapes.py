"""Jobs, pods and events in the shapes that a Kubernetes 1.37 gives them, made of the part that matters."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.objects import Event, Job, Pod
from podline.contract.encoding import encode
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.usage import Usage

Json = dict[str, Any]

POD_NAME: Final = "cart-7-x2x9k"
SEEN: Final = "2026-01-01T12:00:00Z"
"""When everything happened."""

BY_EXIT_CODE: Final = (
    f"Container bot for pod podline/{POD_NAME} failed with exit code %d matching FailJob rule at index 1"
)
BY_DISRUPTION: Final = (
    f"Pod podline/{POD_NAME} has condition DisruptionTarget matching FailJob rule at index 0"
)


def condition(kind: str, reason: str = "", message: str = "", status: str = "True") -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastProbeTime": SEEN,
        "lastTransitionTime": SEEN,
    }


def job(*conditions: Json, deadline: int | None = 1951, **metadata: Any) -> Job:
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "cart-7",
            "namespace": "podline",
            "uid": "06d0c8a5-0000-4000-8000-000000000001",
            "resourceVersion": "812",
            "generation": 1,
            "creationTimestamp": SEEN,
            "labels": {names.LAUNCH_ID: "launch-1", "app.kubernetes.io/name": "podline-bot"},
            "annotations": {names.SESSION_ID: "cart-7", "batch.kubernetes.io/job-tracking": ""},
            **metadata,
        },
        "spec": {"parallelism": 1, "completions": 1, "activeDeadlineSeconds": deadline, "suspend": False},
        "status": {
            "conditions": list(conditions),
            "startTime": SEEN,
            "uncountedTerminatedPods": {},
            "ready": 0,
        },
    }
    return msgspec.json.decode(msgspec.json.encode(manifest), type=Job)


def failed(reason: str, message: str = "") -> tuple[Json, Json]:
    """The two conditions of a Job that has failed; both say the same."""
    return condition("FailureTarget", reason, message), condition("Failed", reason, message)


FAILED_FOR_EXIT = [failed("PodFailurePolicy", BY_EXIT_CODE % code) for code in range(256)]
FAILED_FOR_DISRUPTION = failed("PodFailurePolicy", BY_DISRUPTION)
BACKOFF_LIMIT = failed("BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE = failed("DeadlineExceeded", "Job was active longer than specified deadline")
COMPLETE = (
    condition("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods"),
    condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods"),
)


def pod(
    phase: str,
    state: Json | None = None,
    *conditions: Json,
    is_deleted: bool = False,
    last_state: Json | None = None,
    init_state: Json | None = None,
    **status: Any,
) -> Pod:
    """A pod whose bot is in this state; None if no kubelet has reported one."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": POD_NAME,
            "namespace": "podline",
            "uid": "06d0c8a5-0000-4000-8000-000000000002",
            "resourceVersion": "845",
            "creationTimestamp": SEEN,
            "labels": {names.LAUNCH_ID: "launch-1", "job-name": "cart-7"},
            "finalizers": ["batch.kubernetes.io/job-tracking"],
            **({"deletionTimestamp": SEEN, "deletionGracePeriodSeconds": 35} if is_deleted else {}),
        },
        "spec": {"nodeName": "node-1" if state is not None else None},
        "status": {
            "phase": phase,
            "conditions": [*conditions, *([condition("PodScheduled")] if state is not None else [])],
            "qosClass": "Burstable",
            **({"containerStatuses": [container("bot", state, last_state)]} if state is not None else {}),
            **({"initContainerStatuses": [container("helper", init_state)]} if init_state else {}),
            **status,
        },
    }
    return msgspec.json.decode(msgspec.json.encode(manifest), type=Pod)


def container(name: str, state: Json, last_state: Json | None = None) -> Json:
    return {
        "name": name,
        "image": "registry.example/podline-bot:1",
        "imageID": "",
        "ready": False,
        "restartCount": 1 if last_state else 0,
        "started": False,
        "state": state,
        "lastState": last_state or {},
    }


def terminated(code: int, reason: str = "", message: str = "", finished_at: str | None = SEEN) -> Json:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": SEEN,
            "finishedAt": finished_at,
            "containerID": "containerd://7d0f",
            **({"message": message} if message else {}),
        }
    }


def waiting(reason: str, message: str | None = None) -> Json:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


RUNNING: Final[Json] = {"running": {"startedAt": SEEN}}

NEVER_LOCATED = terminated(
    137, "ContainerStatusUnknown", "The container could not be located when the pod was terminated", None
)
USED_TO_RUN = terminated(
    137,
    "ContainerStatusUnknown",
    "The container could not be located when the pod was deleted.  The container used to be Running",
    None,
)


def disruption(reason: str, message: str) -> Json:
    return condition("DisruptionTarget", reason, message)


def warning(reason: str, message: str, kind: str = "Pod") -> Event:
    manifest = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{POD_NAME}.17f3", "namespace": "podline", "resourceVersion": "900"},
        "involvedObject": {"kind": kind, "name": POD_NAME if kind == "Pod" else "cart-7"},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "count": 3,
        "firstTimestamp": SEEN,
        "lastTimestamp": SEEN,
        "eventTime": None,
    }
    return msgspec.json.decode(msgspec.json.encode(manifest), type=Event)


def word(reason: str, message: str = "As the bot says.") -> str:
    """A final report, as the kubelet copies it into the pod."""
    left = FinalReport(
        reason=reason,
        message=message,
        totals=Usage(turns=3),
        acked_totals=Usage(),
        timeline=BotTimeline(now=60.5, joined=2.5),
    )
    return encode(left).decode()
