"""All sessions the controller knows, in memory: found by id or launch, counted, listed, watched."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.core.errors import (
    CapacityReached,
    ControllerError,
    InvalidRequest,
    SessionNotFound,
    UnknownOutcome,
    UserLimitReached,
)
from controller.core.flag import Flag
from controller.core.runtime import Launch
from controller.core.session import ANONYMOUS, Ending, Session
from controller.supervision.claims import Claims
from controller.supervision.events import Feed
from controller.supervision.inbox import Inbox
from controller.supervision.report_ledger import ReportLedger
from podline.contract.messages import BotTimeline
from podline.contract.reasons import Phase


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Doubt:
    """A launch that the runtime may or may not have taken, and the error it was told by."""

    launch: Launch
    error: UnknownOutcome


@dataclass(slots=True, eq=False)
class Record:
    """A session and what is known of its launch.

    Attributes:
        launching: makes room and bot; owned here, since the request that asked for it may be gone.
        settled: set once the launch was taken, was refused with `refusal`, or has left us in `doubt`.
        intent: why we asked the bot to leave.
        launched_at, heard_at, ended_at: on the monotonic clock.
        start_is_told: whether the metrics have it how long its start took; None while only another
            controller can know.
        look_at: when it may be overdue at the earliest, by the same.
    """

    session: Session
    inbox: Inbox = field(default_factory=Inbox)
    ledger: ReportLedger = field(default_factory=ReportLedger)
    claims: Claims = field(default_factory=Claims)
    launching: asyncio.Task[Any] | None = None
    settled: Flag = field(default_factory=Flag)
    gone: Flag = field(default_factory=Flag)
    refusal: ControllerError | None = None
    doubt: Doubt | None = None
    intent: Ending | None = None
    launched_at: float | None = None
    heard_at: float | None = None
    look_at: float = 0.0
    ended_at: float | None = None
    start_is_told: bool | None = False

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody knows if there is a bot, and its caller may still have it."""
        return self.doubt is not None and self.intent is None and not self.session.phase.is_end

    def learn_start(self, timeline: BotTimeline) -> None:
        """Take it from the bot whether another controller has measured its start."""
        if self.start_is_told is None:
            self.start_is_told = timeline.first_speech_acked


class SessionRegistry:
    """Owns the records. A place is taken from `add` until the session has surely ended."""

    def __init__(self, capacity: int, per_user: int, per_address: int | None = None) -> None:
        """`per_address` limits callers whom nobody named; None: it doesn't."""
        self.capacity = capacity
        self._per_user = per_user
        self._per_address = per_address
        self._records: dict[str, Record] = {}
        self._by_launch: dict[str, Record] = {}
        self._running: dict[str, Record] = {}
        self._of_user: Counter[str] = Counter()
        self._of_address: Counter[str] = Counter()
        self._feed: Feed[Session] = Feed()

    def add(self, record: Record, address_tags: Sequence[str] = ()) -> None:
        """Take a place for a session, at once or not at all.

        Args:
            record: the session's.
            address_tags: all that its caller's address is known by, where only that limits them.

        Raises:
            CapacityReached: there is no place.
            UserLimitReached: there is none for this user, or for callers without a name from this address.
        """
        session = record.session
        if len(self._running) >= self.capacity:
            raise CapacityReached(self.capacity)
        if self._of_user[session.user_id] >= self._per_user and session.user_id != ANONYMOUS:
            raise UserLimitReached(self._per_user)
        from_there = sum(self._of_address[tag] for tag in address_tags)
        if self._per_address is not None and address_tags and from_there >= self._per_address:
            raise UserLimitReached.by_address(self._per_address)
        self.adopt(record)

    def adopt(self, record: Record) -> None:
        """Take in a session that has its place already, whatever the limits are now."""
        session = record.session
        if session.id in self._records:
            self.drop(self._records[session.id])
        self._records[session.id] = self._by_launch[session.launch_id] = record
        if not session.phase.is_end:
            self._running[session.id] = record
            self._of_user[session.user_id] += 1
            if session.address_tag is not None:
                self._of_address[session.address_tag] += 1
        self._feed.put(session.id, session)

    def put(self, record: Record, session: Session) -> None:
        """Record what a session has become, and tell whoever watches."""
        if session != record.session:
            record.session = session
            if session.phase.is_end:
                self._give_back(record)
            self._feed.put(session.id, session)

    def drop(self, record: Record) -> None:
        self._give_back(record)
        del self._records[record.session.id]
        del self._by_launch[record.session.launch_id]
        self._feed.drop(record.session.id)

    def find(self, session_id: str) -> Record | None:
        return self._records.get(session_id)

    def get(self, session_id: str) -> Record:
        """Raises SessionNotFound."""
        if record := self._records.get(session_id):
            return record
        raise SessionNotFound(session_id)

    def by_launch(self, launch_id: str) -> Record | None:
        return self._by_launch.get(launch_id)

    def all(self) -> list[Record]:
        return list(self._records.values())

    def running(self) -> list[Record]:
        return list(self._running.values())

    def _give_back(self, record: Record) -> None:
        """Free the place of a session that has one."""
        session = record.session
        if self._running.get(session.id) is record:
            del self._running[session.id]
            self._of_user[session.user_id] -= 1
            if not self._of_user[session.user_id]:
                del self._of_user[session.user_id]
            if session.address_tag is not None:
                self._of_address[session.address_tag] -= 1
                if not self._of_address[session.address_tag]:
                    del self._of_address[session.address_tag]

    def follow(self, session_id: str | None, last_event_id: str | None) -> AsyncIterator[tuple[str, Session]]:
        """Yield (event id, session): as things are, then at each change. See `Feed.follow`."""
        return self._feed.follow(session_id, last_event_id)

    def close(self) -> None:
        """End all streams once they have told the last changes."""
        self._feed.close()

    def page(
        self, phase: Phase | None, user_id: str | None, limit: int, cursor: str | None
    ) -> tuple[list[Session], str | None]:
        """Sessions, newest first, and the cursor to go on from where there are more.

        Raises:
            InvalidRequest: the cursor is not one of ours.
        """
        before = _read_cursor(cursor) if cursor else None
        matching = sorted(
            (
                each.session
                for each in self._records.values()
                if phase in (None, each.session.phase)
                and user_id in (None, each.session.user_id)
                and (before is None or _place(each.session) < before)
            ),
            key=_place,
            reverse=True,
        )
        page = matching[:limit]
        return page, _write_cursor(page[-1]) if len(matching) > limit else None


def _place(session: Session) -> tuple[datetime, str]:
    return session.timeline.accepted, session.id


def _write_cursor(session: Session) -> str:
    at, session_id = _place(session)
    return base64.urlsafe_b64encode(f"{at.isoformat()} {session_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, session_id = text.partition(" ")
        return _aware(datetime.fromisoformat(at)), session_id
    except (ValueError, binascii.Error):
        raise InvalidRequest("The cursor is not one of ours. Give next_cursor as it came, or none.") from None


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return at
