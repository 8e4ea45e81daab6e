"""Sessions as labels and annotations of their Jobs, written and read. Pure.

The Job may have been written by a controller of the next release: what only that one knows is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from pydantic import TypeAdapter

from controller.core.agents import DEFAULT_AGENT
from controller.core.endings import read_ending, read_unknown_ending
from controller.core.primitives.unknown_fields import unknown_fields, with_unknown_fields
from controller.core.session import Budget, Diagnostics, Ending, Session, Timeline
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.objects import Job, Meta, launch_of
from podline.contract.arithmetic import NOTHING
from podline.contract.encoding import DecodeError, decode, encode
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage
from podline.contract.version import CONTRACT, UNNUMBERED, why_unspoken

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
    cold_start: bool = True


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
_MOST_DIGITS: Final = 9
_MARKS: Final = tuple(field.name for field in msgspec.structs.fields(_Timeline))
_NO_MARKS: Final[Mapping[str, Any]] = dict.fromkeys(_MARKS)


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
        cold_start=session.cold_start is not False,
    )
    return {names.REQUEST: _json(request), names.CONTRACT: str(CONTRACT)}


def progress_patch(session: Session) -> dict[str, Any]:
    """Return what to write to the Job of a session that is live or has ended."""
    marks = {name: getattr(session.timeline, name) for name in _MARKS}
    labels = {names.PHASE_LABEL: str(session.phase)}
    annotations = {names.TIMELINE: _rewritten(session, names.TIMELINE, _Timeline(**marks))}
    if session.ending is not None:
        labels[names.REASON_LABEL] = str(session.ending.reason)
        annotations[names.MESSAGE] = session.ending.message
        annotations |= _usage_annotation(session)
    if session.diagnostics is not None:
        annotations[names.DIAGNOSTICS] = _rewritten(session, names.DIAGNOSTICS, session.diagnostics)
    return {"metadata": {"labels": labels, "annotations": annotations}}


def stop_patch(intent: Ending, session: Session | None = None) -> dict[str, Any]:
    """Return the patch that stops a Job in any state and says why: one write, which outlives the controller.

    It resumes a suspended Job, because a suspended one has no deadline. With `session`, it stores what was
    used so far: a bot that does not answer reports nothing to the next controller.
    """
    annotations = {names.STOP_REASON: str(intent.reason), names.STOP_MESSAGE: intent.message}
    if session is not None and session.usage != NOTHING:
        annotations |= _usage_annotation(session)
    return {
        "metadata": {"labels": {names.PHASE_LABEL: str(Phase.STOPPING)}, "annotations": annotations},
        "spec": {"activeDeadlineSeconds": 0, "suspend": False},
    }


def is_accounted(job: Job) -> bool:
    """Return whether the end of a Job's session has been recorded, so that it is never counted again."""
    return job.metadata.labels.reason is not None


def is_recorded(job: Job) -> bool:
    """Return whether anything of a Job's session has been recorded since its launch."""
    return job.metadata.annotations.timeline is not None


def why_unread(job: Job) -> str | None:
    """Return why the record of a Job can't be read here, as a clause; None if it can, or there is none."""
    number = job.metadata.annotations.contract
    if number is None:
        return why_unspoken(UNNUMBERED)
    if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
        return "is not a number"
    return why_unspoken(int(number))


def read_session(job: Job) -> Session | None:
    """Return the session of a Job as far as it was recorded.

    None if the Job is not one of ours, or if this release can't read it: see `why_unread`.
    """
    if why_unread(job) is not None:
        return None
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
        cold_start=request.cold_start,
        # An end is not written again.
        unknown_fields=_unknown_fields(meta, usage) if ending is None else {},
    )


def read_intent(meta: Meta) -> Ending | None:
    """Return why the bot was asked to leave, as a controller or a person with kubectl wrote it on the Job."""
    reason, message = _reason(meta.annotations.stop_reason), meta.annotations.stop_message
    if reason is not None:
        return read_ending(reason, message)
    if meta.annotations.stop_reason is not None and message:
        # A controller always writes a sentence, so this is one of the next release's reasons.
        return Ending(reason=Reason.STOPPED, what_happened=message)
    return None


def _read_ending(meta: Meta) -> Ending | None:
    if meta.labels.reason is None:
        return None
    reason, message = _reason(meta.labels.reason), meta.annotations.message
    if reason is not None:
        return read_ending(reason, message)
    return read_unknown_ending(message, is_failure=meta.labels.phase != str(Phase.ENDED))


def _usage_annotation(session: Session) -> dict[str, str]:
    usage = _Usage(msgspec.Raw(encode(session.usage)), session.usage_is_partial)
    return {names.USAGE: _rewritten(session, names.USAGE, usage)}


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


def _unknown_fields(meta: Meta, usage: Usage) -> dict[str, Mapping[str, Any]]:
    """Return what only a newer controller knows of the texts that are written again, by their annotation."""
    found: dict[str, Mapping[str, Any]] = {}
    if meta.annotations.timeline is not None:
        found[names.TIMELINE] = _beyond(meta.annotations.timeline, _NO_MARKS)
    if meta.annotations.usage is not None:
        known = {"totals": asdict(usage), "partial": False}
        found[names.USAGE] = _beyond(meta.annotations.usage, known)
    if meta.annotations.diagnostics is not None:
        found[names.DIAGNOSTICS] = _beyond(meta.annotations.diagnostics, asdict(Diagnostics()))
    return {name: unknown for name, unknown in found.items() if unknown}


def _beyond(text: str, known: Mapping[str, Any]) -> Mapping[str, Any]:
    return unknown_fields(_decoded(text, dict[str, Any]) or {}, known)


def _rewritten(session: Session, annotation: str, value: msgspec.Struct | Diagnostics) -> str:
    """Return the text of an annotation, with what only a newer controller knows of it."""
    text = _json(value)
    unknown = session.unknown_fields.get(annotation)
    if not unknown:
        return text
    return msgspec.json.encode(with_unknown_fields(msgspec.json.decode(text), unknown)).decode()


def _json(value: msgspec.Struct | Diagnostics) -> str:
    return msgspec.json.encode(value).decode()
