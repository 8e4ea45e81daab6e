"""Adoption of sessions that another controller started."""

from __future__ import annotations

from datetime import datetime

from controller.core.clock import Clock
from controller.core.session import Session
from controller.supervision.record import Record


def adopted(session: Session, clock: Clock) -> Record:
    """Return the record of a session that was found, as if it had been started here."""
    ended = session.timeline.ended
    return Record.adopted(
        session,
        accepted_at=_monotonic(session.timeline.accepted, clock),
        ended_at=_monotonic(ended, clock) if ended is not None else None,
        now=clock.monotonic(),
    )


def _monotonic(moment: datetime, clock: Clock) -> float:
    """Return a past moment on the monotonic clock. One in the future, by a clock that jumped, is now."""
    return clock.monotonic() - max(0.0, (clock.now() - moment).total_seconds())
