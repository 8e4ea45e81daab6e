"""One bot's reports: each batch counted once, and its moments converted to our clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from podline.contract.arithmetic import NOTHING, beyond, together, used_by
from podline.contract.messages import BotTimeline, FinalReport, Report
from podline.contract.usage import Usage, values

MARKS = ("process_up", "joined", "caller_joined", "first_speech")


@dataclass(slots=True)
class ReportLedger:
    """The counted reports of one bot, which sends its next batch only once the last was acknowledged.

    Attributes:
        counted: the number of the last batch counted.
        used: what all batches counted here add up to.
        last: what the last of them adds up to.
        acked: the number of the last batch that the bot knew to be acknowledged when it sent that one.
        acked_before: the same when it sent the first one that was counted here; None before that.
        is_whole: whether no earlier controller can have counted any.
    """

    counted: int = 0
    used: Usage = NOTHING
    last: Usage = NOTHING
    acked: int = 0
    acked_before: int | None = None
    is_whole: bool = True

    def has_counted(self, report: Report) -> bool:
        """Whether this batch is a repeat."""
        return report.seq <= self.counted

    def count(self, report: Report) -> bool:
        """Count a batch, and return whether it was counted: a repeat is not."""
        if self.has_counted(report):
            return False
        self.counted, self.acked = report.seq, report.acked
        if self.acked_before is None:
            self.acked_before = report.acked
        self.last = used_by(report.events)
        self.used = together(self.used, self.last)
        return True

    def uncounted(self, totals: Usage, report: FinalReport | None) -> Usage:
        """Return how much the totals of a bot that is gone exceed the batches that were counted.

        If another controller tracked the session before, only the final report shows what that one counted.
        Nothing is added if batches may have been acknowledged after the report was written: the counters then
        lack what the bot had not sent, but never count acknowledged usage twice.
        """
        if self.is_whole:
            return beyond(totals, self.used)
        if report is None or not self._has_all_since(report):
            return NOTHING
        return beyond(totals, together(report.acked_totals, self._unknown_to(report)))

    def _has_all_since(self, report: FinalReport) -> bool:
        """Whether each batch that was acknowledged after this report was written has been counted here."""
        if report.is_final:
            return True
        return (
            report.acked is not None and self.acked_before is not None and report.acked >= self.acked_before
        )

    def _unknown_to(self, report: FinalReport) -> Usage:
        """Return what was counted here and is missing from the report's acknowledged totals, or more."""
        if report.acked is None or report.acked >= self.counted:
            return NOTHING
        return self.last if report.acked >= self.acked else self.used


def moments(timeline: BotTimeline, arrival: datetime, earliest: datetime) -> Mapping[str, datetime]:
    """Convert the moments of a bot's timeline to our clock, by how long before its message each was.

    Args:
        timeline: seconds on the bot's own clock.
        arrival: when its message was sent or arrived, on ours.
        earliest: no moment is before this: the bot did not exist yet.
    """
    marks = {name: getattr(timeline, name) for name in MARKS}
    return {
        name: max(earliest, arrival - timedelta(seconds=max(0.0, timeline.now - mark)))
        for name, mark in marks.items()
        if mark is not None
    }


def furthest(one: Usage, other: Usage) -> Usage:
    """Return the later of two states of what one bot used; `one` if they are the same.

    Usage only grows, so the later state is the one that adds up to more. It need not be the final report's:
    that is first written when the end is decided, and reports during the farewell may be ahead of it. Numbers
    can't be compared one by one, because a final report may sum up tools and models under one name.
    """
    return max(one, other, key=_extent)


def _extent(usage: Usage) -> float:
    tokens = sum(sum(values(each)) for each in usage.models.values())
    calls = sum(each.ok + each.error for each in usage.tool_calls.values())
    talk = usage.talk_seconds.caller + usage.talk_seconds.bot
    return tokens + calls + talk + usage.turns + usage.turns_unanswered + usage.interruptions
