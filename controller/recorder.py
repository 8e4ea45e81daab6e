"""Writes down what becomes of a session: what its bot reports, what its last word adds, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from controller.clock import Clock
from controller.errors import SessionEnded
from controller.ledger import Ledger, furthest, moments
from controller.metrics import Metrics
from controller.room_keeper import RoomKeeper
from controller.runtime import Exit, Runtime
from controller.sessions import Diagnostics, Ending
from controller.tracing import Tracing
from controller.view import Record, View
from protocol.messages import Report
from protocol.reasons import Phase

log = logging.getLogger("podline.supervisor")


class Recorder:
    """Keeps records, metrics and what the runtime has on record at one. Nothing here waits."""

    def __init__(
        self,
        *,
        view: View,
        runtime: Runtime,
        room_keeper: RoomKeeper,
        metrics: Metrics,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._view = view
        self._runtime = runtime
        self._room_keeper = room_keeper
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock

    def add(self, record: Record, address_tags: Sequence[str] = ()) -> None:
        """Take a place for a session. Takes and raises what `View.add` does."""
        self._view.add(record, address_tags)
        self._metrics.started(record.session)

    def launched(self, record: Record) -> None:
        if not record.session.phase.is_end:
            self._view.put(record, record.session.marked(launched=self._clock.now()))

    def report(self, record: Record, report: Report, unknown: Sequence[str] = ()) -> int:
        """Take one batch in, once; returns the number of the last one counted.

        `unknown` are the kinds of events that only a newer bot can tell of.
        """
        if record.ledger.count(report):
            self._add_usage(record, report)
            self._metrics.batch_added(record.session, report, record.ledger.last)
            self._metrics.events_unknown(unknown)
        else:
            self._metrics.batch_repeated()
        return record.ledger.counted

    def last_word(self, record: Record, exit_: Exit) -> None:
        """Its totals hold what was reported when it was written, and what no report carried any more."""
        session, word = record.session, exit_.last_word
        if word is None:
            self._view.put(record, session.used(session.usage, partial=True))
        else:
            marks = moments(word.timeline, exit_.at, session.timeline.accepted)
            record.learn_start(word.timeline)
            usage = furthest(session.usage, word.totals)
            self._view.put(record, session.marked(**marks).used(usage, partial=not word.is_final))
        self._metrics.usage.add(record.session, record.ledger.uncounted(record.session.usage, word))
        record.ledger = Ledger()  # nothing more is taken, and thousands of ended sessions are kept

    def ended(self, record: Record, ending: Ending, diagnostics: Diagnostics | None = None) -> None:
        """The bot has surely gone, or never was. Close the record and free the place."""
        is_news = not record.session.phase.is_end
        session = record.session.ended(ending, self._clock.now())
        if session.phase is Phase.FAILED:
            session = replace(session, diagnostics=diagnostics)
        record.ended_at = self._clock.monotonic()
        record.inbox.close(SessionEnded.by(ending.message))
        self._view.put(record, session)
        record.gone.set()
        if is_news:
            is_start_known = record.start_is_told is not None
            self._tell_start(record)
            self._metrics.ended(session, is_start_known=is_start_known)
            self._tracing.ended(session)
        self._runtime.record(session)
        log.info("session ended", extra={"session_id": session.id, "reason": str(ending.reason)})
        if session.room_url and not session.room_is_brought:
            self._room_keeper.close(session)

    def _add_usage(self, record: Record, report: Report) -> None:
        session = record.session
        marks = moments(report.timeline, self._clock.now(), session.timeline.accepted)
        self._view.put(record, session.marked(**marks).used(furthest(session.usage, report.totals)))
        record.learn_start(report.timeline)
        if record.session.timeline.first_speech is not None:
            self._tell_start(record)
        if session.phase is Phase.STARTING and record.session.phase is Phase.LIVE:
            self._runtime.record(record.session)

    def _tell_start(self, record: Record) -> None:
        """Have a start measured, once, unless another controller has or may have."""
        if record.start_is_told is False:
            self._metrics.start_is_over(record.session)
        record.start_is_told = True
