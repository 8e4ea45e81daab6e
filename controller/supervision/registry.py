"""All sessions that the controller knows, in memory: found by id or launch, counted, listed, followed."""

from __future__ import annotations

import base64
import binascii
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime

from controller.core.admission import SessionAdmission, room_limit
from controller.core.errors import CapacityReached, InvalidRequest, SessionNotFound, UserLimitReached
from controller.core.limits import Limit, LimitName
from controller.core.rooms import RoomLoad
from controller.core.session import Session
from controller.observe.gauges import SessionCounts
from controller.supervision.events import Feed
from controller.supervision.record import Record
from podline.contract.reasons import Phase


class SessionRegistry:
    """Holds the records. A running session takes a slot, from `add` until its bot is confirmed gone."""

    def __init__(self, admission: SessionAdmission) -> None:
        """`admission` decides which sessions may be added."""
        self.admission = admission
        self._records: dict[str, Record] = {}
        self._by_launch: dict[str, Record] = {}
        self._running: dict[str, Record] = {}
        self._feed: Feed[Session] = Feed()

    def add(
        self,
        record: Record,
        address_tags: Sequence[str] = (),
        *,
        now: float,
        room_load: RoomLoad | None = None,
    ) -> None:
        """Take a slot for a session.

        Args:
            record: the session's.
            address_tags: all tags of its caller's address, if the caller is limited by address only.
            now: on the monotonic clock.
            room_load: how busy the room provider is with this session's room; None if it makes none.

        Raises:
            CapacityReached: a limit of the installation, the agent or of something upstream is reached.
            UserLimitReached: this user, or this address's anonymous callers, have reached their limit.
        """
        limit = self.admission.reached(record.session, address_tags, now) or room_limit(room_load)
        if limit is not None:
            raise _refusal(limit, record.session.agent)
        self.adopt(record)

    def adopt(self, record: Record) -> None:
        """Hold a session that is running or has ended already, whatever the limits are."""
        session = record.session
        if session.id in self._records:
            self.drop(self._records[session.id])
        self._records[session.id] = self._by_launch[session.launch_id] = record
        record.registered(self._changed)
        if not session.phase.is_end:
            self._running[session.id] = record
            self.admission.hold(session)
        self._feed.put(session.id, session)

    def drop(self, record: Record) -> None:
        self._release_slot(record)
        del self._records[record.session.id]
        del self._by_launch[record.session.launch_id]
        self._feed.drop(record.session.id)

    def bot_chosen(self, record: Record, launch_id: str, *, cold_start: bool | None) -> None:
        """Let this launch be the session's: a warm bot's, or again its own if that came to nothing."""
        former = record.session.launch_id
        if record.session.phase.is_end or former == launch_id:
            return
        del self._by_launch[former]
        self.admission.moved(former, launch_id)
        self._by_launch[launch_id] = record
        record.bot_chosen(launch_id, cold_start=cold_start)

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

    def phases_by_agent(self) -> dict[str, Counter[Phase]]:
        """Return how many sessions each agent has right now, by phase. Agents without any are left out."""
        agents: defaultdict[str, Counter[Phase]] = defaultdict(Counter)
        for record in self._running.values():
            agents[record.session.agent][record.session.phase] += 1
        return dict(agents)

    def in_use(self) -> Counter[str]:
        """Return how many running sessions have a bot, by agent."""
        return Counter(record.session.agent for record in self._running.values() if record.session.has_bot)

    def rooms_wanted(self) -> int:
        """Return how many sessions wait for a room from the provider."""
        return sum(
            record.session.room_url is None and not record.session.room_is_brought and not record.is_settled
            for record in self._running.values()
        )

    def counts(self) -> SessionCounts:
        running = self._running.values()
        return SessionCounts(
            by_phase=Counter(record.session.phase for record in self._records.values()),
            running=len(running),
            capacity=self.admission.limits.capacity,
            launches_waiting=sum(not record.is_settled for record in running),
            messages_waiting=sum(record.inbox.waiting for record in running),
        )

    def _changed(self, record: Record) -> None:
        """Publish a session's new state."""
        if record.session.phase.is_end:
            self._release_slot(record)
        self._feed.put(record.session.id, record.session)

    def _release_slot(self, record: Record) -> None:
        """Release the slot of a session that has one."""
        session = record.session
        if self._running.get(session.id) is record:
            del self._running[session.id]
            self.admission.release(session)

    def follow(
        self, session_id: str | None, last_event_id: str | None
    ) -> AsyncGenerator[tuple[str, Session]]:
        """Yield (event id, session): first the current state, then each change. See `Feed.follow`."""
        return self._feed.follow(session_id, last_event_id)

    def close(self) -> None:
        """End all streams once they have yielded the last changes."""
        self._feed.close()

    def page(
        self,
        wanted: Mapping[str, object],
        limit: int,
        cursor: str | None,
        is_visible: Callable[[Session], bool] = lambda _: True,
    ) -> tuple[list[Session], str | None]:
        """Return sessions, newest first, and the cursor of the next page if there is one.

        Args:
            wanted: what a listed session's fields are.
            limit: the most sessions of a page.
            cursor: of the page; None for the first.
            is_visible: returns False for sessions that are listed in no case.

        Raises:
            InvalidRequest: the cursor is not one of ours.
        """
        before = _read_cursor(cursor) if cursor else None
        matching = sorted(
            (
                each.session
                for each in self._records.values()
                if all(getattr(each.session, name) == value for name, value in wanted.items())
                and is_visible(each.session)
                and (before is None or _position(each.session) < before)
            ),
            key=_position,
            reverse=True,
        )
        page = matching[:limit]
        return page, _write_cursor(page[-1]) if len(matching) > limit else None


def _refusal(limit: Limit, agent: str) -> CapacityReached | UserLimitReached:
    match limit.name:
        case LimitName.USER:
            return UserLimitReached(limit.most, limit.subject)
        case LimitName.ADDRESS:
            return UserLimitReached.by_address(limit.most)
        case _:
            return CapacityReached(limit, agent)


def _position(session: Session) -> tuple[datetime, str]:
    return session.timeline.accepted, session.id


def _write_cursor(session: Session) -> str:
    at, session_id = _position(session)
    return base64.urlsafe_b64encode(f"{at.isoformat()} {session_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, session_id = text.partition(" ")
        return _aware(datetime.fromisoformat(at)), session_id
    except (ValueError, binascii.Error):
        raise InvalidRequest("The cursor is invalid. Send next_cursor unchanged, or no cursor.") from None


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return at
