"""The record of one session and its launch, and the events that may change it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from controller.core.errors import ControllerError, SessionEnded, UnknownOutcome
from controller.core.primitives.flag import Flag
from controller.core.rooms import Room
from controller.core.runtime import Launch
from controller.core.session import Diagnostics, Ending, Session
from controller.supervision.channel.claims import Claims
from controller.supervision.channel.inbox import Inbox
from controller.supervision.channel.report_ledger import ReportLedger
from podline.contract.reasons import Phase
from podline.contract.usage import Usage


class Record:
    """A session and the state of its launch.

    It belongs to the supervisor, whose parts change it, only through the methods named after events. Everyone
    else reads it. Events arrive late and twice; once the session has ended, none changes it.

    Times called `now` are on the monotonic clock.
    """

    __slots__ = (
        "_accepted_at",
        "_attempts",
        "_changed",
        "_check_at",
        "_claims",
        "_ended_at",
        "_gone",
        "_handed_over_at",
        "_heard_at",
        "_inbox",
        "_intent",
        "_launch_to_repeat",
        "_launched_at",
        "_launching",
        "_ledger",
        "_refusal",
        "_session",
        "_settled",
        "_start_is_measured",
        "_unknown_outcome",
    )

    def __init__(self, session: Session, accepted_at: float) -> None:
        self._accepted_at = accepted_at
        self._inbox = Inbox()
        self._ledger = ReportLedger()
        self._claims = Claims()
        self._session = session
        self._changed: Callable[[Record], None] | None = None
        self._launching: asyncio.Task[Any] | None = None
        self._attempts = 0
        self._launch_to_repeat: Launch | None = None
        self._settled = Flag()
        self._refusal: ControllerError | None = None
        self._unknown_outcome: UnknownOutcome | None = None
        self._intent: Ending | None = None
        self._handed_over_at: float | None = None
        self._launched_at: float | None = None
        self._heard_at: float | None = None
        self._check_at = 0.0
        self._start_is_measured: bool | None = False
        self._ended_at: float | None = None
        self._gone = Flag()

    @classmethod
    def adopted(cls, session: Session, *, accepted_at: float, ended_at: float | None, now: float) -> Record:
        """Return the record of a session that another controller started.

        Args:
            session: as its runtime has recorded it.
            accepted_at: when it was accepted; its deadlines count from then.
            ended_at: when it ended; None while it runs.
            now: when it was found. A live bot's silence counts from then, as its last report is not known.
        """
        record = cls(session, accepted_at)
        record._ledger = ReportLedger(is_whole=False)
        record._handed_over_at = record._launched_at = accepted_at
        record._ended_at = ended_at
        # If the bot has joined, the other controller may have measured its start.
        record._start_is_measured = False if session.timeline.joined is None else None
        record._settled.set()
        if session.ending is not None:
            record._gone.set()
            record.inbox.close(SessionEnded.by(session.ending))
        elif session.phase is Phase.LIVE:
            record._heard_at = now
        return record

    # --- what everyone may read ---

    @property
    def session(self) -> Session:
        return self._session

    @property
    def inbox(self) -> Inbox:
        """The messages for the bot."""
        return self._inbox

    @property
    def ledger(self) -> ReportLedger:
        """Which of the bot's batches have been counted."""
        return self._ledger

    @property
    def claims(self) -> Claims:
        """What the bot has claimed, to judge whether more is plausible."""
        return self._claims

    @property
    def launching(self) -> asyncio.Task[Any] | None:
        """The task that makes room and bot. It continues if the request that started it is cancelled."""
        return self._launching

    @property
    def attempts(self) -> int:
        """How many times the launch has been handed to the runtime."""
        return self._attempts

    @property
    def launch_to_repeat(self) -> Launch | None:
        """The launch of unknown outcome. Handing it over again unchanged starts no second bot."""
        return self._launch_to_repeat

    @property
    def is_claim_open(self) -> bool:
        """Whether the open outcome is that of a claim, so that the session may have a warm bot."""
        return self._unknown_outcome is not None and self._session.cold_start is False

    @property
    def is_settled(self) -> bool:
        """Whether the launch was accepted or refused, or has been declared of unknown outcome."""
        return self._settled.is_set()

    @property
    def refusal(self) -> ControllerError | None:
        """Why no bot was launched."""
        return self._refusal

    @property
    def unknown_outcome(self) -> UnknownOutcome | None:
        """The error after which there may or may not be a bot; None once the launch is handed over again."""
        return self._unknown_outcome

    @property
    def open_outcome(self) -> UnknownOutcome | None:
        """The same, while the caller may still adopt the launch by repeating the request."""
        return None if self._intent is not None or self._session.phase.is_end else self._unknown_outcome

    @property
    def intent(self) -> Ending | None:
        """Why we asked the bot to leave; None if we didn't."""
        return self._intent

    @property
    def accepted_at(self) -> float:
        """When the session was accepted. Its bot cannot have been running for longer."""
        return self._accepted_at

    @property
    def handed_over_at(self) -> float | None:
        """When the launch was handed to the runtime."""
        return self._handed_over_at

    @property
    def launched_at(self) -> float | None:
        """The same, not counting time for which we were held up."""
        return self._launched_at

    @property
    def heard_at(self) -> float | None:
        """When the bot last reported or polled."""
        return self._heard_at

    @property
    def check_at(self) -> float:
        """The earliest time at which the bot may be overdue."""
        return self._check_at

    @property
    def start_is_measured(self) -> bool | None:
        """Whether the metrics have the duration of the start; None if only another controller can know."""
        return self._start_is_measured

    @property
    def ended_at(self) -> float | None:
        return self._ended_at

    async def until_settled(self) -> None:
        while not self._settled.is_set():  # another waiter may have launched again
            await self._settled.wait()

    async def until_ended(self) -> None:
        await self._gone.wait()

    # --- events ---

    def registered(self, changed: Callable[[Record], None]) -> None:
        """The registry holds this record and is called after each change of its session."""
        self._changed = changed

    def launch_started(self, task: asyncio.Task[Any]) -> None:
        """A task has begun to make room and bot, or to hand over a launch of unknown outcome again."""
        self._launching = task
        self._settled.clear()

    def room_opened(self, room: Room) -> None:
        if not self._session.phase.is_end:
            self._become(replace(self._session, room_url=room.url, room_name=room.name))

    def handed_over(self, now: float) -> None:
        """The runtime is asked to launch the bot."""
        self._attempts += 1
        self._handed_over_at = self._launched_at = now
        self._launch_to_repeat = self._unknown_outcome = None

    def bot_chosen(self, launch_id: str, *, cold_start: bool | None) -> None:
        """The session's launch is this one from now on: see `SessionRegistry.bot_chosen`."""
        if not self._session.phase.is_end:
            self._become(replace(self._session, launch_id=launch_id, cold_start=cold_start))

    def launched(self, at: datetime) -> None:
        """The runtime has accepted the launch, or a warm bot its assignment."""
        if not self._session.phase.is_end:
            is_cold = self._session.cold_start is not False
            self._become(replace(self._session, cold_start=is_cold).marked(launched=at))

    def outcome_unknown(self, launch: Launch, error: UnknownOutcome) -> None:
        """The runtime did not confirm the launch in time: there may be a bot."""
        self._unknown_outcome = error
        if not self._session.phase.is_end:
            self._launch_to_repeat = launch

    def refused(self, error: ControllerError) -> None:
        """There is no bot, and there won't be one."""
        self._refusal = error

    def settled(self) -> None:
        """The launch task is done, whatever came of it."""
        self._settled.set()

    def scheduled(self, at: datetime) -> None:
        if not self._session.phase.is_end:
            self._become(self._session.marked(scheduled=at))

    def heard(self, now: float) -> None:
        """The bot has reported or polled."""
        self._heard_at = now

    def reported(
        self,
        moments: Mapping[str, datetime],
        usage: Usage,
        *,
        first_speech_acked: bool | None = None,
        is_partial: bool = False,
    ) -> None:
        """A report or the final report was added up.

        Args:
            moments: the bot's timeline, on our clock.
            usage: the session's usage up to now.
            first_speech_acked: whether a controller has acknowledged the first speech, and so measured the
                start; None if the bot didn't say.
            is_partial: whether the bot may have used more than that.
        """
        if self._session.phase.is_end:
            return
        self._become(self._session.marked(**moments).used(usage, partial=is_partial))
        if self._start_is_measured is None:
            self._start_is_measured = first_speech_acked

    def start_measured(self) -> None:
        """The metrics have the duration of the start, or never will."""
        self._start_is_measured = True

    def stopping(self, intent: Ending) -> None:
        """The bot is asked to leave. The first intent stays."""
        if self._session.phase.is_end:
            return
        self._intent = self._intent or intent
        self._become(self._session.moved(Phase.STOPPING))
        self._inbox.stop(str(self._intent.reason))

    def checked(self, check_at: float) -> None:
        """The watchdog has looked, and need not look again before `check_at`."""
        self._check_at = check_at

    def we_were_held_up(self, seconds: float) -> None:
        """The controller itself was stalled, so this time does not count against the bot."""
        if self._launched_at is not None:
            self._launched_at += seconds

    def accounted_for(self) -> None:
        """Note that all usage is counted. Drop the accounting: thousands of ended sessions are kept."""
        self._ledger, self._claims = ReportLedger(), Claims()

    def ended(
        self, ending: Ending, *, at: datetime, now: float, diagnostics: Diagnostics | None = None
    ) -> bool:
        """The bot is confirmed gone, or never existed. Return False if the session had ended before."""
        if self._session.phase.is_end:
            return False
        session = self._session.ended(ending, at)
        if session.phase is Phase.FAILED:
            session = replace(session, diagnostics=diagnostics)
        self._ended_at = now
        self._launch_to_repeat = None
        self._inbox.close(SessionEnded.by(ending))
        self._become(session)
        self._gone.set()
        return True

    def _become(self, session: Session) -> None:
        if session == self._session:
            return
        self._session = session
        if self._changed is not None:
            self._changed(self)
