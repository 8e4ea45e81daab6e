"""Podline's agents and sessions in the words of Pipecat Cloud's API. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from controller.core.agents import AgentStatus, AgentVersion
from controller.core.secret_sets import SecretSet
from controller.core.session import Session
from controller.web.pipecat_cloud_errors import without_markup
from podline.contract.reasons import Phase, Reason

ORGANIZATION: Final = "podline"
REGION: Final = "podline"
"""The only one of each: there are none here."""

_STARTS: Final = frozenset(
    {Reason.LAUNCH_FAILED, Reason.UNSCHEDULABLE, Reason.IMAGE_PULL, Reason.CONFIG_INVALID}
)


def service(status: AgentStatus, versions: Sequence[AgentVersion]) -> dict[str, Any]:
    """Return an agent as one of a list."""
    return {
        "name": status.name,
        "region": REGION,
        "id": status.name,
        "activeDeploymentId": status.version.id if status.version is not None else None,
        **_dates(versions),
    }


def service_status(
    status: AgentStatus, versions: Sequence[AgentVersion], phases: Mapping[Phase, int]
) -> dict[str, Any]:
    """Return the state of an agent.

    Its client takes a deployment for ready once there is an active one and `reconciledDeploymentId` is the
    desired one.
    """
    active, coming = status.version, status.deploying
    desired = coming or active
    definition = desired.definition if desired is not None else None
    said = without_markup(status.problem or "")
    problem = [{"code": "deployment_refused", "message": said}] if said else []
    return {
        "ready": active is not None,
        "available": active is not None,
        "activeDeploymentReady": active is not None,
        "activeSessionCount": sum(phases.values()),
        "activeDeploymentId": active.id if active is not None else None,
        "desiredDeploymentId": desired.id if desired is not None else None,
        "reconciledDeploymentId": (active or desired).id if desired is not None else None,
        "conditions": _conditions(status),
        "autoScaling": {
            "minReplicas": definition.min_agents if definition is not None else 0,
            "maxReplicas": definition.max_agents if definition is not None else None,
        },
        "resources": {"cpu": definition.cpu, "memory": definition.memory}
        if definition is not None and definition.cpu is not None
        else None,
        "deployment": _deployment(desired) if desired is not None else {},
        "currentRevision": _revision(desired, "Progressing" if coming is not None else "Ready", phases),
        "previousRevision": _revision(active if coming is not None else None, "Ready", phases),
        "errors": problem,
        **_dates(versions),
    }


def deployments(versions: Sequence[AgentVersion]) -> dict[str, Any]:
    """Return the versions of an agent, newest first."""
    return {"deployments": [_deployment(each) for each in reversed(versions)]}


def session(each: Session) -> dict[str, Any]:
    """Return a session as one of a list."""
    ended = each.timeline.ended
    joined = each.timeline.joined
    accepted = each.timeline.accepted
    return {
        "sessionId": each.id,
        "createdAt": _moment(accepted),
        "endedAt": _moment(ended),
        "botStartSeconds": round((joined - accepted).total_seconds(), 1) if joined is not None else None,
        "coldStart": each.cold_start is not False if joined is not None else None,
        "completionStatus": None if ended is None else "500" if each.phase is Phase.FAILED else "200",
        "endState": end_state(each),
        "reason": each.ending.reason if each.ending is not None else None,
        "message": each.ending.message if each.ending is not None else None,
    }


def session_details(each: Session) -> dict[str, Any]:
    """Return a session with its events."""
    timeline = each.timeline
    moments = {
        "SESSION_START_INITIATED": timeline.accepted,
        "REQUEST_ARRIVED_AT_BOT": timeline.joined,
        "SESSION_COMPLETED": timeline.ended,
    }
    events = [{"eventCode": code, "eventTs": _moment(at)} for code, at in moments.items() if at is not None]
    return {**session(each), "events": events}


def end_state(each: Session) -> str:
    """Return how a session ended, as one of the states that Pipecat Cloud's command line knows."""
    reason = each.ending.reason if each.ending is not None else None
    if reason is None:
        return "active"
    if reason is Reason.START_TIMEOUT:
        return "agent_start_timeout"
    if reason is Reason.STOPPED:
        return "terminated" if each.timeline.joined is not None else "ended_before_agent_start"
    if reason in _STARTS or each.phase is Phase.FAILED:
        return "agent_error"
    return "completed"


def secret_set(each: SecretSet) -> dict[str, Any]:
    """Return a secret set as one of a list."""
    return {
        "name": each.name,
        "region": REGION,
        "status": "ready",
        "type": "imagePullSecret" if each.registry is not None else "secretSet",
        "updatedAt": _moment(each.updated),
    }


def secret_set_details(each: SecretSet) -> dict[str, Any]:
    """Return a secret set with the names of its variables. Nobody gets their values back."""
    return {"secrets": [{"fieldName": key} for key in each.keys], "region": REGION, "status": "ready"}


def _conditions(status: AgentStatus) -> list[dict[str, Any]]:
    progressing = {"type": "Progressing", "status": "True" if status.deploying is not None else "False"}
    degraded = {"type": "Degraded", "status": "True", "message": without_markup(status.problem or "")}
    return [progressing, degraded] if status.problem is not None else [progressing]


def _deployment(version: AgentVersion) -> dict[str, Any]:
    definition = version.definition
    spec = {
        "image": definition.image,
        "arch": definition.architecture,
        "maxSessionDurationSeconds": definition.max_session_duration,
        "dailyNodeType": f"cpu={definition.cpu}, memory={definition.memory}" if definition.cpu else None,
    }
    moment = _moment(version.deployed_at)
    return {
        "id": version.id,
        "manifest": {"spec": {key: value for key, value in spec.items() if value is not None}},
        "createdAt": moment,
        "updatedAt": moment,
    }


def _revision(version: AgentVersion | None, phase: str, phases: Mapping[Phase, int]) -> dict[str, Any] | None:
    if version is None:
        return None
    return {
        "deploymentID": version.id,
        "phase": phase,
        "readyReplicas": phases.get(Phase.LIVE, 0),
        "phaseStartedAt": _moment(version.deployed_at),
    }


def _dates(versions: Sequence[AgentVersion]) -> dict[str, Any]:
    moments = [each.deployed_at for each in versions if each.deployed_at is not None]
    first, last = (min(moments), max(moments)) if moments else (None, None)
    return {"createdAt": _moment(first), "updatedAt": _moment(last)}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
