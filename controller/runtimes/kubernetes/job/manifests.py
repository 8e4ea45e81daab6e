"""The manifests of one launch: its Job, made from the template, and the Secret that the Job owns. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

from controller.core.agent_variables import agent_variables
from controller.core.agents import AgentVersion
from controller.core.runtime import Launch
from controller.core.session import Ending, Session, Timeline
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.agent_template import agent_template
from controller.runtimes.kubernetes.job.records import (
    identity_annotations,
    identity_labels,
    request_annotation,
)
from controller.runtimes.kubernetes.job.template import LAST_WORD_FILE, ONE_ATTEMPT, JobTemplate
from podline.contract import environment
from podline.contract.reasons import Phase

FAREWELL_SECONDS: Final = 5
"""How much longer its pod may take than the bot's farewell: reports and the final report follow it."""


_KEEP_DRY_START_SECONDS: Final = 300
"""A dry start's Job is deleted once it is read. This is for a controller that is gone by then."""

_OF_A_SESSION: Final = frozenset(
    {
        names.SESSION_LABEL,
        names.USER_LABEL,
        names.PHASE_LABEL,
        names.SESSION_ID,
        names.USER_ID,
        names.REQUEST,
        names.CONTRACT,
    }
)

EXAMPLE: Final = Launch(
    session=Session(
        id="podline-probe",
        user_id="nobody",
        launch_id="podline-probe",
        request_hash="",
        room_provider="",
        max_duration_seconds=60,
        timeline=Timeline(accepted=datetime(2000, 1, 1, tzinfo=UTC)),
    ),
    environment={},
    secrets={},
    deadline_seconds=60,
)
"""The launch id of the Job that is only dry-run."""


def session_job(
    template: JobTemplate, launch: Launch, *, grace_seconds: float, keep_ended_seconds: float
) -> dict[str, Any]:
    """Return the template of the session's agent with identity, deadline and environment added."""
    session = launch.session
    manifest = agent_template(template, launch.agent)
    name = names.job_name(session.id)
    secret = names.secret_name(name, session.launch_id)
    labels, annotations = identity_labels(session), identity_annotations(session)
    template_spec = manifest["spec"]
    pod = template_spec["template"]
    return {
        **manifest,
        "metadata": {
            **_marked(
                manifest,
                {**labels, names.PHASE_LABEL: str(Phase.STARTING)},
                {**annotations, **request_annotation(session)},
            ),
            "name": name,
        },
        "spec": {
            **template_spec,
            **ONE_ATTEMPT,
            "activeDeadlineSeconds": ceil(launch.deadline_seconds),
            "ttlSecondsAfterFinished": ceil(keep_ended_seconds),
            "template": {
                **pod,
                "metadata": _marked(pod, labels, annotations),
                "spec": {
                    **pod["spec"],
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": ceil(grace_seconds) + FAREWELL_SECONDS,
                    "containers": [_bot(each, launch, secret) for each in pod["spec"]["containers"]],
                },
            },
        },
    }


def dry_start_job(
    template: JobTemplate, agent: AgentVersion, name: str, *, deadline_seconds: float, grace_seconds: float
) -> dict[str, Any]:
    """Return a Job that starts an agent's bot as a session's would, without a call and its credentials.

    Args:
        template: the operator's.
        agent: the version to start.
        name: of the Job; also its launch id.
        deadline_seconds: how long it may take.
        grace_seconds: as for a session.
    """
    session = replace(
        EXAMPLE.session, id=name, launch_id=name, agent=agent.name, agent_version=agent.id, user_id=name
    )
    variables = {**agent_variables(agent.definition), environment.DRY_START: "true"}
    variables |= {environment.SESSION_ID: "dry-start", environment.USER_ID: "dry-start"}
    launch = Launch(
        session=session, agent=agent, environment=variables, secrets={}, deadline_seconds=deadline_seconds
    )
    manifest = session_job(
        template, launch, grace_seconds=grace_seconds, keep_ended_seconds=_KEEP_DRY_START_SECONDS
    )
    pod = manifest["spec"]["template"]
    [bot] = pod["spec"]["containers"]
    # The last is the Secret of a session, and there is none.
    pod["spec"]["containers"] = [{**bot, "envFrom": bot["envFrom"][:-1]}]
    for each in (manifest, pod):
        marks = each["metadata"]
        marks["labels"] = {
            key: value for key, value in marks["labels"].items() if key not in _OF_A_SESSION
        } | {names.DRY_START: "true"}
        marks["annotations"] = {
            key: value for key, value in marks["annotations"].items() if key not in _OF_A_SESSION
        }
    return manifest


def _bot(container: dict[str, Any], launch: Launch, secret: str) -> dict[str, Any]:
    """Return the only container with the session's environment.

    A variable of the template would hide the session's own from the bot. So if the bot has a token of its
    own, a key that all bots share is left out.
    """
    variables = {**launch.environment, environment.LAST_WORD: LAST_WORD_FILE}
    stamped = [{"name": key, "value": _literal(value)} for key, value in variables.items()]
    own = variables.keys() | (launch.secrets or {}).keys()
    shared = [each for each in container.get("env") or [] if each.get("name") not in own]
    return {
        **container,
        "env": [*shared, *stamped],
        "envFrom": [*(container.get("envFrom") or []), {"secretRef": {"name": secret}}],
    }


def session_secret(launch: Launch, job_uid: str) -> dict[str, Any]:
    """Return the Secret with one bot's credentials. The Job owns it, so it is deleted with the Job."""
    job_name = names.job_name(launch.session.id)
    name = names.secret_name(job_name, launch.session.launch_id)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": job_name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": identity_labels(launch.session),
            "ownerReferences": [owner],
        },
        "immutable": True,
        "stringData": dict(launch.secrets or {}),
    }


def failure_event(job_name: str, job_uid: str, namespace: str, ending: Ending, at: str) -> dict[str, Any]:
    """Return the Event by which `kubectl describe job` shows why a session failed."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        # Derived from the Job, so that a repeated write is a harmless 409.
        "metadata": {"name": f"{job_name}.{job_uid}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": job_name,
            "namespace": namespace,
            "uid": job_uid,
        },
        "type": "Warning",
        "reason": "".join(part.capitalize() for part in str(ending.reason).split("_")),
        "message": ending.message,
        "source": {"component": "podline"},
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


def _marked(
    manifest: Mapping[str, Any], labels: dict[str, str], annotations: dict[str, str]
) -> dict[str, Any]:
    metadata = manifest.get("metadata") or {}
    return {
        **metadata,
        "labels": {**(metadata.get("labels") or {}), **labels},
        "annotations": {**(metadata.get("annotations") or {}), **annotations},
    }


def _literal(value: str) -> str:
    """Escape a value so that the bot reads it unchanged: Kubernetes would replace `$(NAME)` in it."""
    return value.replace("$", "$$")
