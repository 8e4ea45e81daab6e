"""The objects of sessions, made as the controller makes them, for clients that write them without it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from uuid_utils import uuid7

from controller.core.agents import BUILT_IN
from controller.core.primitives.clock import system_clock
from controller.core.runtime import Launch
from controller.core.session import Ending, Session, Timeline
from controller.core.tokens import Signer
from controller.core.warm import WarmBot, WarmLaunch
from controller.rooms.ice import IceServers
from controller.rooms.webrtc import WebRtcRooms
from controller.runtimes.kubernetes.job.manifests import session_job
from controller.runtimes.kubernetes.job.records import progress_patch
from controller.runtimes.kubernetes.job.template import JobTemplate, read_template
from controller.runtimes.kubernetes.job.warm_manifests import warm_job
from controller.supervision.assignment import Assigner, Personas
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import ModelUsage, Usage

TEMPLATE: Final = Path(__file__).parents[3] / "deploy" / "base" / "bot-job.yaml"
SECRET: Final = "a secret that outlives controllers"  # noqa: S105 - of the benchmark's own controllers
CONTROLLER_URL: Final = "http://podline.podline.svc:7861"
GRACE_SECONDS: Final = 30.0
KEEP_ENDED_SECONDS: Final = 3600.0

_SIGNER: Final = Signer(SECRET.encode())
_ASSIGNER: Final = Assigner(
    controller_url=CONTROLLER_URL,
    grace_seconds=GRACE_SECONDS,
    personas=Personas(directory=None),
    signer=_SIGNER,
    ice=IceServers(system_clock().now),
)
_ROOMS: Final = WebRtcRooms("http://127.0.0.1:7860", _SIGNER)


async def new_launch() -> Launch:
    """What the supervisor hands over for `{"user_id": "bench"}`."""
    session = Session(
        id=str(uuid7()),
        user_id="bench",
        launch_id=str(uuid7()),
        request_hash="0" * 64,
        room_provider=_ROOMS.provider,
        max_duration_seconds=1800,
        timeline=Timeline(accepted=datetime.now(UTC)),
    )
    room = await _ROOMS.open(session, lifetime_seconds=1950)
    return _ASSIGNER.launch(replace(session, room_url=room.url), BUILT_IN, room, 1950, {})


def new_warm_launch() -> WarmLaunch:
    """What the pool hands over for one more warm bot."""
    bot = WarmBot(
        launch_id=str(uuid7()), agent=BUILT_IN.name, agent_version=BUILT_IN.id, created=datetime.now(UTC)
    )
    return _ASSIGNER.warm_launch(bot, BUILT_IN, KEEP_ENDED_SECONDS)


def claim_of(launch: Launch, launch_id: str) -> Launch:
    """What a start hands over to claim the warm bot of this launch id."""
    return _ASSIGNER.for_warm_bot(launch, launch_id)


def warm_job_of(launch: WarmLaunch, namespace: str) -> dict[str, Any]:
    return warm_job(
        template_for(namespace),
        launch,
        grace_seconds=GRACE_SECONDS,
        keep_ended_seconds=KEEP_ENDED_SECONDS,
    )


@cache
def template_for(namespace: str) -> JobTemplate:
    return read_template(TEMPLATE, namespace)


def job_of(launch: Launch, namespace: str) -> dict[str, Any]:
    return session_job(
        template_for(namespace),
        launch,
        grace_seconds=GRACE_SECONDS,
        keep_ended_seconds=KEEP_ENDED_SECONDS,
    )


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    """What the controller-manager makes of a Job it was given by the API server."""
    name, uid = job["metadata"]["name"], job["metadata"]["uid"]
    pod = deepcopy(job["spec"]["template"])
    pod["metadata"]["name"] = f"{name}-{uid[:5]}"
    pod["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking"]
    pod["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name,
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    return {"apiVersion": "v1", "kind": "Pod", **pod}


def pod_status(phase: str) -> dict[str, Any]:
    """The status of a pod that runs, or has run, as a kubelet reports it."""
    now = _now()
    has_ended = phase == "Succeeded"
    reason = {"reason": "PodCompleted"} if has_ended else {}
    terminated = {
        "exitCode": 0,
        "reason": "Completed",
        "startedAt": now,
        "finishedAt": now,
        "containerID": f"containerd://{'0' * 64}",
        "message": '{"reason":"caller_left","message":"The caller left."}',
    }
    conditions = [
        {"type": "PodReadyToStartContainers", "status": str(not has_ended), "lastTransitionTime": now},
        {"type": "Initialized", "status": "True", "lastTransitionTime": now, **reason},
        {"type": "Ready", "status": str(not has_ended), "lastTransitionTime": now, **reason},
        {"type": "ContainersReady", "status": str(not has_ended), "lastTransitionTime": now, **reason},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
    ]
    bot = {
        "name": "bot",
        "image": "podline-bot",
        "imageID": f"podline-bot@sha256:{'0' * 64}",
        "containerID": f"containerd://{'0' * 64}",
        "ready": not has_ended,
        "started": not has_ended,
        "restartCount": 0,
        "state": {"terminated": terminated} if has_ended else {"running": {"startedAt": now}},
    }
    addresses = {"hostIP": "10.0.0.1", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}]}
    return {
        "status": {
            "phase": phase,
            "startTime": now,
            "conditions": conditions,
            "containerStatuses": [bot],
            **addresses,
        }
    }


def job_status(*, has_ended: bool) -> dict[str, Any]:
    now = _now()
    if not has_ended:
        return {"status": {"startTime": now, "active": 1, "ready": 1, "uncountedTerminatedPods": {}}}
    reached = {
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": "CompletionsReached",
        "message": "Reached expected number of succeeded pods",
    }
    return {
        "status": {
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "ready": 0,
            "uncountedTerminatedPods": {},
            "conditions": [{"type": "SuccessCriteriaMet", **reached}, {"type": "Complete", **reached}],
        }
    }


def scheduled() -> dict[str, Any]:
    return {
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": _now()}],
        }
    }


def record_of(session: Session, *, has_ended: bool) -> dict[str, Any]:
    """What the controller writes onto the Job of a call that goes on, or has come to its end."""
    now = datetime.now(UTC)
    usage = Usage(
        models={"models/gemini-live": ModelUsage(prompt_tokens=3_000, completion_tokens=900)}, turns=12
    )
    session = session.marked(launched=now, scheduled=now, process_up=now, joined=now).used(usage)
    assert session.phase is Phase.LIVE  # noqa: S101 - of the benchmark's own
    if has_ended:
        session = session.ended(Ending(reason=Reason.CALLER_LEFT, what_happened="The caller left."), now)
    return progress_patch(session)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
