"""The messages that wait for a bot's poll, and the bot's answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from controller.core.errors import (
    BotUnavailable,
    ControllerError,
    LaunchEnded,
    OfferRefused,
    OfferSuperseded,
    SessionEnded,
)
from controller.core.primitives.event_ids import EventIds
from controller.core.primitives.flag import Flag
from podline.contract.messages import (
    Assignment,
    AssignmentMessage,
    CandidatesMessage,
    InboxAnswer,
    InboxMessage,
    OfferMessage,
    StopMessage,
)

_MOST_WITHDRAWN: Final = 16
"""How many withdrawn messages are kept for the bot's next poll. It can't have fetched more at a time."""


@dataclass(slots=True)
class _Waiting:
    """A message without an answer so far; `answer` is None if none is expected."""

    number: int
    message: InboxMessage
    answer: asyncio.Future[InboxAnswer] | None
    is_fetched: bool = False


class Inbox:
    """The messages for one launch.

    A message stays until it is answered, so a bot that polls again after a broken connection misses none. One
    offer waits at a time: only the caller can make offers, and their latest counts.
    """

    def __init__(self) -> None:
        self._event_ids = EventIds()
        self._waiting: dict[str, _Waiting] = {}
        self._withdrawn: deque[str] = deque(maxlen=_MOST_WITHDRAWN)
        self._changed = Flag()
        self._closed_by: ControllerError | None = None
        self._assignment: tuple[str, Assignment] | None = None
        self._successor: Inbox | None = None

    async def offer(self, offer: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Relay an offer and wait for the bot's answer. An older offer that still waits is withdrawn.

        Raises:
            OfferSuperseded: the caller made another offer in the meantime.
            OfferRefused: the bot refused it, in its own words.
            BotUnavailable: the bot did not answer in time.
            SessionEnded: the session has ended, or ends while waiting.
        """
        for key, waiting in list(self._waiting.items()):
            if isinstance(waiting.message, OfferMessage):
                self._withdraw(key, OfferSuperseded())
        return await self._ask(lambda key: OfferMessage(id=key, offer=offer), timeout_seconds)

    async def candidates(self, candidates: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Relay ICE candidates and wait until the bot has accepted them. Raises as `offer` does."""
        return await self._ask(lambda key: CandidatesMessage(id=key, candidates=candidates), timeout_seconds)

    @property
    def waiting(self) -> int:
        """The number of messages that the bot has not answered."""
        return len(self._waiting)

    def stop(self, reason: str | None = None) -> None:
        """Ask the bot to say goodbye, and say why. A second request is not queued."""
        if not any(isinstance(each.message, StopMessage) for each in self._waiting.values()):
            self._put(lambda key: StopMessage(id=key, reason=reason), None)

    def assign(self, session_id: str, assignment: Assignment) -> str:
        """Give a warm bot its session, and return the message's id. The variables are in its answer only."""
        key = self._put(lambda key: AssignmentMessage(id=key, session_id=session_id), None)
        self._assignment = (key, assignment)
        return key

    def assignment_for(self, key: str) -> Assignment | None:
        """Return what the confirmation of this message is answered with, each time; None for any other."""
        return self._assignment[1] if self._assignment is not None and self._assignment[0] == key else None

    def assignment_arrived(self) -> None:
        """Forget the variables that the bot has by now: some are secret."""
        self._assignment = None

    def hand_on(self, successor: Inbox) -> None:
        """Have the polls under way here continue in the inbox of the session that the bot now serves."""
        successor._assignment, self._assignment = self._assignment, None
        self._successor = successor
        self._wake()

    @property
    def successor(self) -> Inbox | None:
        """The inbox in which polls continue."""
        return self._successor

    def take_withdrawn(self) -> list[str]:
        """Return, once each, the ids of messages that the bot may have fetched but need not answer."""
        withdrawn = list(self._withdrawn)
        self._withdrawn.clear()
        return withdrawn

    async def poll(self, after: str | None, timeout_seconds: float) -> list[InboxMessage]:
        """Return the unanswered messages after the message `after`, a stop first; wait until there is one.

        The list is empty if there is something to `take_withdrawn` or a `successor`, or nothing in time.

        Raises:
            LaunchEnded: the session has ended, or ends while waiting. A bot that is still running must leave.
            ControllerError: the inbox was closed for another reason, such as the controller's shutdown.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while not (messages := self._fetch(after)) and not self._withdrawn:
                    if self._successor is not None:
                        return []
                    if self._closed_by is not None:
                        ended = isinstance(self._closed_by, SessionEnded)
                        raise LaunchEnded if ended else self._closed_by
                    await self._changed.wait()
        except TimeoutError:
            return []
        return messages

    def answer(self, key: str, answer: InboxAnswer) -> None:
        """Pass the bot's answer on. One that is no longer expected is ignored."""
        waiting = self._waiting.pop(key, None)
        if waiting and waiting.answer and not waiting.answer.done():
            waiting.answer.set_result(answer)

    def close(self, error: ControllerError) -> None:
        """Fail everyone who waits for an answer or a message, now or later, with `error`.

        After the end of its session a bot's poll raises LaunchEnded instead.
        """
        self._closed_by = error
        for waiting in self._waiting.values():
            if waiting.answer and not waiting.answer.done():
                waiting.answer.set_exception(error)
        self._waiting.clear()
        self._withdrawn.clear()
        self._assignment = None
        self._wake()

    async def _ask(self, make: Callable[[str], InboxMessage], timeout_seconds: float) -> dict[str, Any]:
        if self._closed_by is not None:
            raise self._closed_by
        future: asyncio.Future[InboxAnswer] = asyncio.get_running_loop().create_future()
        key = self._put(make, future)
        try:
            async with asyncio.timeout(timeout_seconds):
                answer = await future
        except TimeoutError:
            raise BotUnavailable from None
        finally:
            self._withdraw(key)
        if answer.refusal is not None:
            raise OfferRefused(answer.refusal)
        return answer.body or {}

    def _withdraw(self, key: str, error: ControllerError | None = None) -> None:
        """Withdraw an unanswered message. The waiter for its answer gets `error`."""
        waiting = self._waiting.pop(key, None)
        if waiting is None:
            return
        if waiting.is_fetched:
            self._withdrawn.append(key)
            self._wake()
        if error is not None and waiting.answer and not waiting.answer.done():
            waiting.answer.set_exception(error)

    def _put(self, make: Callable[[str], InboxMessage], answer: asyncio.Future[InboxAnswer] | None) -> str:
        number = self._event_ids.take()
        key = self._event_ids.id_of(number)
        self._waiting[key] = _Waiting(number, make(key), answer)
        self._wake()
        return key

    def _fetch(self, after: str | None) -> list[InboxMessage]:
        seen = self._event_ids.number_of(after)
        unseen = [each for each in self._waiting.values() if each.number > seen]
        for each in unseen:
            each.is_fetched = True
        return sorted(
            (each.message for each in unseen), key=lambda message: not isinstance(message, StopMessage)
        )

    def _wake(self) -> None:
        self._changed.wake()
