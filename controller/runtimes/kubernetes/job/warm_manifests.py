"""Warm bots as Jobs: their manifests, and the patches by which a session claims one or it is given up. Pure.

The Job of a warm bot has the label `podline.dev/pool: waiting` and is nobody's. A claim makes it a session's.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Any, Final

import msgspec

from controller.core.runtime import Launch
from controller.core.warm import WarmBot, WarmLaunch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.objects import Job, Pod, launch_of
from controller.runtimes.kubernetes.job.manifests import EXAMPLE, session_job, session_secret
from controller.runtimes.kubernetes.job.records import (
    Moment,
    identity_annotations,
    identity_labels,
    request_annotation,
    why_unread,
)
from controller.runtimes.kubernetes.job.template import JobTemplate
from podline.contract.reasons import Phase

SAFE_TO_EVICT: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict"
KEEPS_ITS_NODE: Final = (SAFE_TO_EVICT, "karpenter.sh/do-not-disrupt")
"""The template's annotations that keep a pod from being evicted.

While a bot waits for a session, an autoscaler may remove its node, and another bot takes its place.
Cluster-autoscaler has to be told so: by itself it keeps a node for a pod with an emptyDir.
"""

_OF_THE_SESSION: Final = (
    names.SESSION_LABEL,
    names.USER_LABEL,
    names.PHASE_LABEL,
    names.SESSION_ID,
    names.USER_ID,
    names.REQUEST,
    names.TIMELINE,
    names.USAGE,
)


PodMetadata = dict[str, dict[str, str]]
"""Labels and annotations to add to a pod."""


class Pool(StrEnum):
    """The values of the label `podline.dev/pool`."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    GIVEN_UP = "given-up"


class _Warm(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the Job of a warm bot says of it.

    Attributes:
        created: when it was launched.
        pod_annotations: of the template, for its pod to get once it has a session.
        given: see `WarmBot`.
    """

    created: Moment
    pod_annotations: dict[str, str] = {}
    given: str = ""


def warm_job(
    template: JobTemplate, launch: WarmLaunch, *, grace_seconds: float, keep_ended_seconds: float
) -> dict[str, Any]:
    """Return a Job as for a session of the agent, without anything of a session."""
    manifest = deepcopy(
        session_job(
            template, _as_session(launch), grace_seconds=grace_seconds, keep_ended_seconds=keep_ended_seconds
        )
    )
    pod = manifest["spec"]["template"]
    held_back = {
        name: text for name, text in pod["metadata"]["annotations"].items() if name in KEEPS_ITS_NODE
    }
    for each in (manifest, pod):
        _make_warm(each["metadata"])
    for name in held_back:
        del pod["metadata"]["annotations"][name]
    if SAFE_TO_EVICT in held_back:
        pod["metadata"]["annotations"][SAFE_TO_EVICT] = "true"
    warm = _Warm(created=launch.bot.created, pod_annotations=held_back, given=launch.bot.given)
    manifest["metadata"]["annotations"][names.WARM] = msgspec.json.encode(warm).decode()
    return manifest


def warm_secret(launch: WarmLaunch, job_uid: str) -> dict[str, Any]:
    """Return the Secret with a warm bot's credentials, which the Job owns."""
    manifest = session_secret(_as_session(launch), job_uid)
    _make_warm(manifest["metadata"])
    return manifest


def read_warm(job: Job) -> WarmBot | None:
    """Return the warm bot of a Job; None if it doesn't wait, is being stopped, or can't be read here."""
    labels, annotations = job.metadata.labels, job.metadata.annotations
    warm = _read(job)
    is_waiting = labels.pool == Pool.WAITING and not is_stopped(job)
    if warm is None or not is_waiting or annotations.stop_reason is not None or why_unread(job) is not None:
        return None
    if labels.agent is None or labels.agent_version is None:
        return None
    return WarmBot(
        launch_id=launch_of(job.metadata),
        agent=labels.agent,
        agent_version=labels.agent_version,
        created=warm.created,
        given=warm.given,
    )


def claim_patch(job: Job, launch: Launch, now: datetime) -> dict[str, Any]:
    """Return the patch that makes the Job of a warm bot the session's, as if it had been launched now."""
    session = replace(launch.session, cold_start=False)
    began = job.status.start_time or job.metadata.creation_timestamp or now
    seconds = max(0.0, (now - began).total_seconds()) + launch.deadline_seconds
    labels = {
        **identity_labels(session),
        names.POOL: str(Pool.CLAIMED),
        names.PHASE_LABEL: str(Phase.STARTING),
    }
    return {
        "metadata": {
            "labels": labels,
            "annotations": {**identity_annotations(session), **request_annotation(session)},
        },
        "spec": {"activeDeadlineSeconds": max(1, ceil(seconds))},
    }


def claimed_pod(job: Job) -> PodMetadata:
    """Return the labels and annotations for the pod of a claimed Job, which is then as any session's."""
    warm = _read(job)
    annotations = {
        names.SESSION_ID: job.metadata.annotations.session_id or "",
        names.USER_ID: job.metadata.annotations.user_id or "",
        **(warm.pod_annotations if warm is not None else {}),
    }
    labels = {
        names.POOL: str(Pool.CLAIMED),
        names.SESSION_LABEL: names.label_value(annotations[names.SESSION_ID]),
        names.USER_LABEL: names.label_value(annotations[names.USER_ID]),
    }
    return {"labels": labels, "annotations": annotations}


def give_up_patch() -> dict[str, Any]:
    """Return the patch that stops a warm bot's Job for good, and takes back what a claim wrote on it.

    No controller finds a session on it, not even if the claim was written.
    """
    gone: dict[str, str | None] = dict.fromkeys(_OF_THE_SESSION)
    labels = {names.SESSION_LABEL, names.USER_LABEL, names.PHASE_LABEL}
    return {
        "metadata": {
            "labels": {**{name: gone[name] for name in sorted(labels)}, names.POOL: str(Pool.GIVEN_UP)},
            "annotations": {name: text for name, text in gone.items() if name not in labels},
        },
        "spec": {"activeDeadlineSeconds": 0, "suspend": False},
    }


def is_stopped(job: Job) -> bool:
    """Return whether a Job is stopped for good."""
    return job.spec.active_deadline_seconds == 0


def is_given_up(job: Job) -> bool:
    return job.metadata.labels.pool == Pool.GIVEN_UP


def is_claimed(thing: Job | Pod) -> bool:
    return thing.metadata.labels.pool == Pool.CLAIMED


def is_claimable(job: Job) -> bool:
    """Return whether a Job waits for a session and is not being ended."""
    is_ending = is_stopped(job) or job.spec.suspend or job.metadata.deletion_timestamp is not None
    return job.metadata.labels.pool == Pool.WAITING and not is_ending


def _read(job: Job) -> _Warm | None:
    try:
        return msgspec.json.decode(job.metadata.annotations.warm or "", type=_Warm)
    except (msgspec.DecodeError, RecursionError):
        return None


def _as_session(launch: WarmLaunch) -> Launch:
    """Return a launch with the same manifests, but for what they say of its session."""
    bot = launch.bot
    session = replace(
        EXAMPLE.session,
        id=names.warm_job_name(bot.agent, bot.launch_id),
        launch_id=bot.launch_id,
        agent=bot.agent,
        agent_version=bot.agent_version,
    )
    return Launch(
        session=session,
        agent=launch.agent,
        environment=launch.environment,
        secrets=launch.secrets,
        deadline_seconds=launch.deadline_seconds,
    )


def _make_warm(metadata: dict[str, Any]) -> None:
    for kind in ("labels", "annotations"):
        marks: Mapping[str, str] = metadata.get(kind) or {}
        if marks:
            metadata[kind] = {name: text for name, text in marks.items() if name not in _OF_THE_SESSION}
    metadata["labels"][names.POOL] = str(Pool.WAITING)
