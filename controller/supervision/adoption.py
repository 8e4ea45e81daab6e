"""Adoption of sessions that another controller started."""

from __future__ import annotations

from datetime import datetime

from controller.core.primitives.clock import Clock
from controller.core.session import Session
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry


def adopt(session: Session, registry: SessionRegistry, clock: Clock) -> Record | None:
    """Add the record of a session that was found, as if it had been started here.

    Return None if the registry has it already, or has a later launch of the session that runs.
    """
    known = registry.find(session.id)
    if known is not None and (known.session.launch_id == session.launch_id or not known.session.phase.is_end):
        return None
    ended = session.timeline.ended
    record = Record.adopted(
        session,
        accepted_at=_monotonic(session.timeline.accepted, clock),
        ended_at=_monotonic(ended, clock) if ended is not None else None,
        now=clock.monotonic(),
    )
    registry.adopt(record)
    return record


def _monotonic(moment: datetime, clock: Clock) -> float:
    """Return a past moment on the monotonic clock. One in the future, because a clock jumped, becomes now."""
    return clock.monotonic() - max(0.0, (clock.now() - moment).total_seconds())
