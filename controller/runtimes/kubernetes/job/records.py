"""Sessions as labels and annotations of their Jobs, written and read. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import TypeAdapter

from controller.core.agents import DEFAULT_AGENT
from controller.core.endings import read_ending
from controller.core.session import Budget, Diagnostics, Ending, Session, Timeline
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.objects import Job, Meta, launch_of
from podline.contract.encoding import DecodeError, decode, encode
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of a request that don't change."""

    hash: str
    room_provider: str
    max_duration_seconds: int
    accepted: Moment
    room_url: str | None = None
    room_is_brought: bool = False
    room_name: str | None = None
    persona: str | None = None
    metadata: dict[str, Any] = {}
    address_tag: str | None = None
    trace: dict[str, str] = {}
    budget_tokens: int | None = None
    budget_cost: float | None = None
    agent: str = DEFAULT_AGENT
    agent_version: str | None = None
    has_body: bool = False


class _Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    totals: msgspec.Raw
    partial: bool = False


class _Timeline(msgspec.Struct, frozen=True, omit_defaults=True):
    """`Timeline` without `accepted`, which is part of the request."""

    launched: Moment | None = None
    scheduled: Moment | None = None
    process_up: Moment | None = None
    joined: Moment | None = None
    caller_joined: Moment | None = None
    first_speech: Moment | None = None
    ended: Moment | None = None


_TOTALS: Final = TypeAdapter(Usage)
_REASONS: Final = {str(reason): reason for reason in Reason}
_MARKS: Final = tuple(field.name for field in msgspec.structs.fields(_Timeline))


def identity_labels(session: Session) -> dict[str, str]:
    """Return the labels by which a Job and its pod are found."""
    labels = {
        names.LAUNCH_ID: session.launch_id,
        names.SESSION_LABEL: names.label_value(session.id),
        names.USER_LABEL: names.label_value(session.user_id),
        names.AGENT_LABEL: session.agent,
    }
    if session.agent_version is not None:
        labels[names.AGENT_VERSION_LABEL] = session.agent_version
    return labels


def identity_annotations(session: Session) -> dict[str, str]:
    """Return the full ids, for people who look at a Job or pod."""
    return {names.SESSION_ID: session.id, names.USER_ID: session.user_id}


def request_annotation(session: Session) -> dict[str, str]:
    request = _Request(
        hash=session.request_hash,
        room_provider=session.room_provider,
        room_url=session.room_url,
        room_is_brought=session.room_is_brought,
        room_name=session.room_name,
        persona=session.persona,
        max_duration_seconds=session.max_duration_seconds,
        metadata=session.metadata,
        address_tag=session.address_tag,
        accepted=session.timeline.accepted,
        trace=session.trace,
        budget_tokens=session.budget.tokens,
        budget_cost=session.budget.cost,
        agent=session.agent,
        agent_version=session.agent_version,
        has_body=session.body is not None or session.body_is_lost,
    )
    return {names.REQUEST: _json(request)}


def progress_patch(session: Session) -> dict[str, Any]:
    """Return what to write to the Job of a session that is live or has ended."""
    marks = {name: getattr(session.timeline, name) for name in _MARKS}
    labels = {names.PHASE_LABEL: str(session.phase)}
    annotations = {names.TIMELINE: _json(_Timeline(**marks))}
    if session.ending is not None:
        labels[names.REASON_LABEL] = str(session.ending.reason)
        annotations[names.MESSAGE] = session.ending.message
        annotations[names.USAGE] = _json(_Usage(msgspec.Raw(encode(session.usage)), session.usage_is_partial))
    if session.diagnostics is not None:
        annotations[names.DIAGNOSTICS] = _json(session.diagnostics)
    return {"metadata": {"labels": labels, "annotations": annotations}}


def stop_patch(intent: Ending) -> dict[str, Any]:
    """Return the patch that stops a Job in any state and says why: one write, which outlives the controller.

    It resumes a suspended Job, because a suspended one has no deadline.
    """
    return {
        "metadata": {
            "labels": {names.PHASE_LABEL: str(Phase.STOPPING)},
            "annotations": {names.STOP_REASON: str(intent.reason), names.STOP_MESSAGE: intent.message},
        },
        "spec": {"activeDeadlineSeconds": 0, "suspend": False},
    }


def is_accounted(job: Job) -> bool:
    """Return whether the end of a Job's session has been recorded, so that it is never counted again."""
    return job.metadata.labels.reason is not None


def is_recorded(job: Job) -> bool:
    """Return whether anything of a Job's session has been recorded since its launch."""
    return job.metadata.annotations.timeline is not None


def read_session(job: Job) -> Session | None:
    """Return the session of a Job as far as it was recorded; None if the Job is not one of ours."""
    meta = job.metadata
    ids = (meta.annotations.session_id, meta.annotations.user_id, launch_of(meta) or None)
    request = _decoded(meta.annotations.request, _Request)
    if request is None or None in ids:
        return None
    session_id, user_id, launch_id = map(str, ids)
    timeline = _decoded(meta.annotations.timeline, _Timeline) or _Timeline()
    usage, is_partial = _read_usage(meta)
    ending = _read_ending(meta)
    is_live = timeline.joined is not None
    return Session(
        id=session_id,
        user_id=user_id,
        launch_id=launch_id,
        request_hash=request.hash,
        room_provider=request.room_provider,
        room_url=request.room_url,
        room_is_brought=request.room_is_brought,
        room_name=request.room_name,
        persona=request.persona,
        max_duration_seconds=request.max_duration_seconds,
        budget=Budget(tokens=request.budget_tokens, cost=request.budget_cost),
        metadata=request.metadata,
        address_tag=request.address_tag,
        phase=ending.reason.phase if ending is not None else Phase.LIVE if is_live else Phase.STARTING,
        ending=ending,
        timeline=Timeline(accepted=request.accepted, **msgspec.structs.asdict(timeline)),
        usage=usage,
        usage_is_partial=is_partial,
        diagnostics=_decoded(meta.annotations.diagnostics, Diagnostics),
        trace=request.trace,
        agent=request.agent,
        agent_version=request.agent_version,
        # Only the bot's Secret has it, which the controller may not read.
        body_is_lost=request.has_body,
    )


def read_intent(meta: Meta) -> Ending | None:
    """Return why the bot was asked to leave, as a controller or a person with kubectl wrote it on the Job."""
    reason = _reason(meta.annotations.stop_reason)
    if reason is None:
        return None
    return read_ending(reason, meta.annotations.stop_message)


def _read_ending(meta: Meta) -> Ending | None:
    reason = _reason(meta.labels.reason)
    return read_ending(reason, meta.annotations.message) if reason is not None else None


def _read_usage(meta: Meta) -> tuple[Usage, bool]:
    """Return what the session has used, and whether that is only part of it."""
    kept: _Usage | None = _decoded(meta.annotations.usage, _Usage)
    if kept is None:
        return Usage(), False
    try:
        return decode(_TOTALS, bytes(kept.totals)), kept.partial
    except DecodeError:
        return Usage(), False


def _decoded(text: str | None, kind: type[Any]) -> Any:
    """Decode what we wrote; None if someone changed it beyond recognition."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return None


def _reason(text: str | None) -> Reason | None:
    return _REASONS.get(text or "")


def _json(value: msgspec.Struct | Diagnostics) -> str:
    return msgspec.json.encode(value).decode()
