"""Writes down what becomes of a session: what its bot reports, what its final report adds, how it ended."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from controller.core.clock import Clock
from controller.core.deadlines import Limits
from controller.core.errors import RateLimited, SessionEnded
from controller.core.runtime import Exit, Runtime
from controller.core.session import Diagnostics, Ending, Session
from controller.core.tracing import Tracing
from controller.observe.metrics import Metrics
from controller.supervision.claims import Claims, at_least, with_few_names
from controller.supervision.registry import Record, SessionRegistry
from controller.supervision.report_ledger import ReportLedger, furthest, moments
from controller.supervision.room_keeper import RoomKeeper
from podline.contract.arithmetic import NOTHING
from podline.contract.messages import Report
from podline.contract.reasons import Phase
from podline.contract.usage import Usage

log = logging.getLogger("podline.supervisor")


class Recorder:
    """Keeps records, metrics and what the runtime has on record at one. Nothing here waits."""

    def __init__(
        self,
        *,
        registry: SessionRegistry,
        runtime: Runtime,
        room_keeper: RoomKeeper,
        metrics: Metrics,
        tracing: Tracing,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self._registry = registry
        self._runtime = runtime
        self._room_keeper = room_keeper
        self._metrics = metrics
        self._tracing = tracing
        self._clock = clock
        self._limits = limits

    def add(self, record: Record, address_tags: Sequence[str] = ()) -> None:
        """Take a place for a session. Takes and raises what `SessionRegistry.add` does."""
        self._registry.add(record, address_tags)
        self._metrics.started(record.session)

    def launched(self, record: Record) -> None:
        if not record.session.phase.is_end:
            self._registry.put(record, record.session.marked(launched=self._clock.now()))

    def report(self, record: Record, report: Report, unknown: Sequence[str] = ()) -> int:
        """Take one batch in, once, as far as it is plausible; returns the number of the last one counted.

        `unknown` are the kinds of events that only a newer bot can tell of.

        Raises:
            RateLimited: more batches came than any bot sends.
        """
        if not record.claims.take_batch(self._age(record.session)):
            self._note_refusals(record, Counter(batch=1))
            raise RateLimited(1.0)
        if record.ledger.has_counted(report):
            self._metrics.batch_repeated()
            return record.ledger.counted
        report, refusals = record.claims.judge(report, self._age(record.session), self._metrics.declared)
        record.ledger.count(report)
        self._add_usage(record, report, refusals)
        self._metrics.batch_added(record.session, report, record.ledger.last)
        self._metrics.events_unknown(record.claims.unknown(unknown))
        self._note_refusals(record, refusals)
        return record.ledger.counted

    def final_report(self, record: Record, exit_: Exit) -> None:
        """Its totals hold what was reported when it was written, and what no report carried any more."""
        session, word = record.session, exit_.final_report
        if word is None:
            usage = with_few_names(at_least(session.usage, record.ledger.used))
            self._registry.put(record, session.used(usage, partial=True))
        else:
            word, refusals = record.claims.judge_last(word)
            marks = moments(word.timeline, exit_.at, session.timeline.accepted)
            record.learn_start(word.timeline)
            usage = self._usage(record, word.totals, refusals, is_last=True)
            is_partial = not word.is_final or "totals" in refusals
            self._registry.put(record, session.marked(**marks).used(usage, partial=is_partial))
            self._note_refusals(record, refusals)
        self._metrics.usage.add(record.session, record.ledger.uncounted(record.session.usage, word))
        record.ledger, record.claims = ReportLedger(), Claims()  # thousands of ended sessions are kept

    def ended(self, record: Record, ending: Ending, diagnostics: Diagnostics | None = None) -> None:
        """The bot has surely gone, or never was. Close the record and free the place."""
        is_news = not record.session.phase.is_end
        session = record.session.ended(ending, self._clock.now())
        if session.phase is Phase.FAILED:
            session = replace(session, diagnostics=diagnostics)
        record.ended_at = self._clock.monotonic()
        record.inbox.close(SessionEnded.by(ending.message))
        self._registry.put(record, session)
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

    def _add_usage(self, record: Record, report: Report, refusals: Counter[str]) -> None:
        session = record.session
        marks = moments(report.timeline, self._clock.now(), session.timeline.accepted)
        usage = self._usage(record, report.totals, refusals, is_last=False)
        self._registry.put(record, session.marked(**marks).used(usage))
        record.learn_start(report.timeline)
        if record.session.timeline.first_speech is not None:
            self._tell_start(record)
        if session.phase is Phase.STARTING and record.session.phase is Phase.LIVE:
            self._runtime.record(record.session)

    def _usage(self, record: Record, claimed: Usage, refusals: Counter[str], *, is_last: bool) -> Usage:
        """What a session has used, by the totals its bot claims where they are plausible.

        It is no less than its batches add up to: tokens, which cost money, at any time, all else at the end.
        """
        counted = record.ledger.used
        totals = record.claims.totals(claimed, self._age(record.session))
        if totals is None:
            refusals["totals"] += 1
            totals = NOTHING
        elif not is_last:
            counted = Usage(models=counted.models)
        return with_few_names(at_least(furthest(record.session.usage, totals), counted))

    def _age(self, session: Session) -> float:
        """For how many seconds its bot can have been at work, by our own clock."""
        age = (self._clock.now() - session.timeline.accepted).total_seconds()
        return min(max(0.0, age), self._limits.backstop(session.max_duration_seconds))

    def _note_refusals(self, record: Record, refusals: Counter[str]) -> None:
        """Count what was refused, and log it once for each session."""
        if not refusals:
            return
        self._metrics.claims_refused(refusals)
        if not record.claims.is_known_to_lie:
            record.claims.is_known_to_lie = True
            extra = {"session_id": record.session.id, "refused": dict(refusals)}
            log.warning("claims of a bot refused", extra=extra)

    def _tell_start(self, record: Record) -> None:
        """Have a start measured, once, unless another controller has or may have."""
        if record.start_is_told is False:
            self._metrics.start_is_over(record.session)
        record.start_is_told = True
