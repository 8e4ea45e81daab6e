"""What a bot must be told: messages that wait for its poll, and the answers it gives."""

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
from controller.core.event_ids import EventIds
from controller.core.flag import Flag
from podline.contract.messages import CandidatesMessage, InboxAnswer, InboxMessage, OfferMessage, StopMessage

_MOST_WITHDRAWN: Final = 16
"""Of which a bot is told with its next poll; it can have fetched no more than what was held at one time."""


@dataclass(slots=True)
class _Waiting:
    """A message that is not answered yet; `answer` is None where nobody waits for one."""

    number: int
    message: InboxMessage
    answer: asyncio.Future[InboxAnswer] | None
    is_fetched: bool = False


class Inbox:
    """The messages for one launch.

    A message stays until it is answered, so a bot that asks again after a broken connection misses none. One
    offer waits at a time: only the caller can make one, and what counts is their latest.
    """

    def __init__(self) -> None:
        self._event_ids = EventIds()
        self._waiting: dict[str, _Waiting] = {}
        self._withdrawn: deque[str] = deque(maxlen=_MOST_WITHDRAWN)
        self._changed = Flag()
        self._closed_by: ControllerError | None = None

    async def offer(self, offer: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Hand an offer on and wait for the bot's answer to it. An older one that still waits is given up.

        Raises:
            OfferSuperseded: the caller has made another one meanwhile.
            OfferRefused: the bot says no, and why.
            BotUnavailable: it did not answer in time.
            SessionEnded: it is gone, or goes while this waits.
        """
        for key, waiting in list(self._waiting.items()):
            if isinstance(waiting.message, OfferMessage):
                self._withdraw(key, OfferSuperseded())
        return await self._ask(lambda key: OfferMessage(id=key, offer=offer), timeout_seconds)

    async def candidates(self, candidates: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Hand ICE candidates on and wait until the bot has taken them. Raises as `offer` does."""
        return await self._ask(lambda key: CandidatesMessage(id=key, candidates=candidates), timeout_seconds)

    @property
    def waiting(self) -> int:
        """How many messages the bot has not answered."""
        return len(self._waiting)

    def stop(self, reason: str | None = None) -> None:
        """Tell the bot to say goodbye, and why. Once is enough."""
        if not any(isinstance(each.message, StopMessage) for each in self._waiting.values()):
            self._put(lambda key: StopMessage(id=key, reason=reason), None)

    def take_withdrawn(self) -> list[str]:
        """Messages that a bot may have fetched and nobody waits for any more; each is named once."""
        withdrawn = list(self._withdrawn)
        self._withdrawn.clear()
        return withdrawn

    async def poll(self, after: str | None, timeout_seconds: float) -> list[InboxMessage]:
        """What is not answered and came after the message `after`, a stop first; waits for the first such.

        Comes back empty where there is something to `take_withdrawn`, or nothing in time.

        Raises:
            LaunchEnded: the session has ended, or does while this waits: a bot still there has to leave.
            ControllerError: the inbox is closed for another reason, such as the controller's own leave.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                while not (messages := self._fetch(after)) and not self._withdrawn:
                    if self._closed_by is not None:
                        ended = isinstance(self._closed_by, SessionEnded)
                        raise LaunchEnded if ended else self._closed_by
                    await self._changed.wait()
        except TimeoutError:
            return []
        return messages

    def answer(self, key: str, answer: InboxAnswer) -> None:
        """Take the bot's answer. One to a message that nobody waits for any more is let pass."""
        waiting = self._waiting.pop(key, None)
        if waiting and waiting.answer and not waiting.answer.done():
            waiting.answer.set_result(answer)

    def close(self, error: ControllerError) -> None:
        """Send home with `error` whoever waits for an answer or a message, now or later.

        A bot is told of the end of its session as `poll` says.
        """
        self._closed_by = error
        for waiting in self._waiting.values():
            if waiting.answer and not waiting.answer.done():
                waiting.answer.set_exception(error)
        self._waiting.clear()
        self._withdrawn.clear()
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
        """Take a message back that is not answered, and say why to whoever waits for the answer."""
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
