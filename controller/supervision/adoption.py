"""Takes over a session that another controller has started: its record, as if it had been ours all along."""

from __future__ import annotations

from datetime import datetime

from controller.core.clock import Clock
from controller.core.errors import SessionEnded
from controller.core.session import Session
from controller.supervision.registry import Record
from controller.supervision.report_ledger import ReportLedger
from podline.contract.reasons import Phase


def adopted(session: Session, clock: Clock) -> Record:
    """The record of a found session, its deadlines counted from when it was accepted."""
    record = Record(
        session=session,
        ledger=ReportLedger(is_whole=False),
        launched_at=_monotonic(session.timeline.accepted, clock),
        # A start that did not come as far as this was told by nobody.
        start_is_told=False if session.timeline.joined is None else None,
    )
    record.settled.set()
    if session.timeline.ended is not None:
        record.ended_at = _monotonic(session.timeline.ended, clock)
    if session.ending is not None:
        record.gone.set()
        record.inbox.close(SessionEnded.by(session.ending.message))
    elif session.phase is Phase.LIVE:
        # It has been heard of; how long ago is forgotten, so that its silence begins now.
        record.heard_at = clock.monotonic()
    return record


def _monotonic(moment: datetime, clock: Clock) -> float:
    """A moment of the past on the clock that never jumps; one of the future, by a clock that did, is now."""
    return clock.monotonic() - max(0.0, (clock.now() - moment).total_seconds())
