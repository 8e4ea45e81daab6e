"""What one bot has reported: each batch counted once, and its moments placed on our clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from protocol.messages import Report, Timeline

MARKS = ("process_up", "joined", "caller_joined", "first_speech")


@dataclass(slots=True)
class Ledger:
    """The number of the last batch counted. A bot sends its next only when that one was acknowledged."""

    counted: int = 0

    def count(self, report: Report) -> bool:
        """Whether this batch is to be counted: it is not a repeat."""
        if report.seq <= self.counted:
            return False
        self.counted = report.seq
        return True


def moments(timeline: Timeline, arrival: datetime, earliest: datetime) -> Mapping[str, datetime]:
    """Place a bot's marks on our clock, by how long before the message each was.

    Args:
        timeline: seconds on the bot's own clock.
        arrival: when its message was sent or came in, on ours.
        earliest: no mark is placed before this: the bot did not exist yet.
    """
    marks = {name: getattr(timeline, name) for name in MARKS}
    return {
        name: max(earliest, arrival - timedelta(seconds=max(0.0, timeline.now - mark)))
        for name, mark in marks.items()
        if mark is not None
    }
