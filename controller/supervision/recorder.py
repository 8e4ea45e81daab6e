"""Recording of a session: its bot's reports, the final report, and the end."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from controller.core.deadlines import Limits
from controller.core.errors import RateLimited
from controller.core.primitives.clock import Clock
from controller.core.rooms import RoomLoad
from controller.core.runtime import Exit, Runtime
from controller.core.session import Diagnostics, Ending
from controller.core.tracing import Tracing
from controller.observe.metrics import Metrics
from controller.supervision.channel.claims import at_least, with_few_names
from controller.supervision.channel.report_ledger import furthest, moments
from controller.supervision.record import Record
from controller.supervision.registry import SessionRegistry
from controller.supervision.room_keeper import RoomKeeper
from podline.contract.arithmetic import NOTHING
from podline.contract.messages import QUOTA_KINDS, ErrorSeen, Report
from podline.contract.reasons import Phase
from podline.contract.usage import Usage

log = logging.getLogger("podline.supervisor")


class Recorder:
    """Keeps records, metrics and the runtime's own records in agreement. Nothing here waits."""

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

    def add(self, record: Record, address_tags: Sequence[str], room_load: RoomLoad | None) -> None:
        """Take a slot for a session. Takes and raises what `SessionRegistry.add` does."""
        self._registry.add(record, address_tags, now=self._clock.monotonic(), room_load=room_load)
        self._metrics.started(record.session)

    def report(self, record: Record, report: Report, unknown: Sequence[str] = ()) -> int:
        """Add the plausible part of one batch, once. Return the number of the last batch counted.

        `unknown` are kinds of events that only a newer bot can report.

        Raises:
            RateLimited: more batches came than any bot sends.
        """
        if not record.claims.take_batch(self._age(record)):
            self._note_refusals(record, Counter(batch=1))
            raise RateLimited(1.0)
        if record.ledger.has_counted(report):
            self._metrics.batch_repeated()
            return record.ledger.counted
        report, refusals = record.claims.judge(report, self._age(record), self._metrics.declared)
        record.ledger.count(report)
        self._note_quota(record, report)
        self._add_usage(record, report, refusals)
        self._metrics.batch_added(record.session, report, record.ledger.last)
        self._metrics.events_unknown(record.claims.unknown(unknown))
        self._note_refusals(record, refusals)
        return record.ledger.counted

    def final_report(self, record: Record, exit_: Exit) -> None:
        """Add what the bot used by its end: its final totals, or the sum of its batches if it left none."""
        session, report = record.session, exit_.final_report
        if report is None:
            usage = with_few_names(at_least(session.usage, record.ledger.used))
            record.reported({}, usage, is_partial=True)
        else:
            report, refusals = record.claims.judge_last(report)
            usage = self._usage(record, report.totals, refusals, is_last=True)
            record.reported(
                moments(report.timeline, exit_.at, session.timeline.accepted),
                usage,
                first_speech_acked=report.timeline.first_speech_acked,
                is_partial=not report.is_final or "totals" in refusals,
            )
            self._note_refusals(record, refusals)
        self._metrics.usage.add(record.session, record.ledger.uncounted(record.session.usage, report))
        record.accounted_for()

    def ended(self, record: Record, ending: Ending, diagnostics: Diagnostics | None = None) -> None:
        """Close the record of a session whose bot is confirmed gone or never existed."""
        is_start_known = record.start_is_measured is not None
        if not record.ended(
            ending, at=self._clock.now(), now=self._clock.monotonic(), diagnostics=diagnostics
        ):
            return
        session = record.session
        self._measure_start(record)
        self._metrics.ended(session, is_start_known=is_start_known)
        self._tracing.ended(session)
        self._runtime.record(session)
        log.info("session ended", extra={"session_id": session.id, "reason": str(ending.reason)})
        if session.room_url and not session.room_is_brought:
            self._room_keeper.close(session)

    def _note_quota(self, record: Record, report: Report) -> None:
        """Lower the limit of the session's model key if its bot reports that the quota is used up."""
        if not any(isinstance(event, ErrorSeen) and event.kind in QUOTA_KINDS for event in report.events):
            return
        limit = self._registry.admission.model_refused(record.session, self._clock.monotonic())
        if limit is not None:
            extra = {"session_id": record.session.id, "model_key": limit.subject, "sessions": limit.most}
            log.warning("model key limited", extra=extra)

    def _add_usage(self, record: Record, report: Report, refusals: Counter[str]) -> None:
        before = record.session
        record.reported(
            moments(report.timeline, self._clock.now(), before.timeline.accepted),
            self._usage(record, report.totals, refusals, is_last=False),
            first_speech_acked=report.timeline.first_speech_acked,
        )
        if record.session.timeline.first_speech is not None:
            self._measure_start(record)
        if before.phase is Phase.STARTING and record.session.phase is Phase.LIVE:
            self._metrics.warm.joined(record.session)
            self._runtime.record(record.session)

    def _usage(self, record: Record, claimed: Usage, refusals: Counter[str], *, is_last: bool) -> Usage:
        """Return what a session has used: the totals that its bot claims, as far as they are plausible.

        Never less than its batches add up to: what costs money at any time, all else at the end.
        """
        counted = record.ledger.used
        totals = record.claims.totals(claimed, self._age(record))
        if totals is None:
            refusals["totals"] += 1
            totals = NOTHING
        elif not is_last:
            counted = Usage(models=counted.models, services=counted.services)
        return with_few_names(at_least(furthest(record.session.usage, totals), counted))

    def _age(self, record: Record) -> float:
        """Return for how many seconds its bot can have been running, by our own clock."""
        age = self._clock.monotonic() - record.accepted_at
        return min(max(0.0, age), self._limits.backstop(record.session.max_duration_seconds))

    def _note_refusals(self, record: Record, refusals: Counter[str]) -> None:
        """Count refused claims, and log them once for each session."""
        if not refusals:
            return
        self._metrics.claims_refused(refusals)
        if not record.claims.is_known_to_lie:
            record.claims.is_known_to_lie = True
            extra = {"session_id": record.session.id, "refused": dict(refusals)}
            log.warning("claims of a bot refused", extra=extra)

    def _measure_start(self, record: Record) -> None:
        """Measure how long a start took, once, unless another controller did or may have done so."""
        if record.start_is_measured is False:
            self._metrics.start_is_over(record.session)
        record.start_measured()
