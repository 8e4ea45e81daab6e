"""Handling of inbox messages: a stop never waits, and a flood of offers never piles up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from loguru import logger

from podline.contract.messages import (
    AssignmentMessage,
    CandidatesMessage,
    InboxAnswer,
    InboxMessage,
    OfferMessage,
    StopMessage,
    UnknownMessage,
)
from podline.runner.channel.client import Withdrawn
from podline.runner.room.protocols import OfferTaker, UnusableOffer

_MOST_CANDIDATES: Final = 4
"""The most candidate messages that wait; the controller holds no more for one session."""
_MOST_ANSWERS: Final = 16

_NO_OFFERS: Final = InboxAnswer(refusal="This bot meets its caller in a room, not by an offer.")
_NOT_KNOWN: Final = InboxAnswer(refusal="This bot is of an earlier release, which has no such messages.")


T = TypeVar("T")


class Messages(Protocol):
    """The source of messages and the destination of their answers."""

    def messages(self) -> AsyncIterator[InboxMessage | Withdrawn]: ...
    async def answer(self, message_id: str, answer: InboxAnswer) -> None: ...


class _OneOffer:
    """The latest unanswered offer, and whether the one being answered is still wanted."""

    def __init__(self) -> None:
        self._next: OfferMessage | None = None
        self._current: OfferMessage | None = None
        self._is_there = asyncio.Event()
        self._withdrawn = asyncio.Event()

    def put(self, offer: OfferMessage) -> None:
        """Replace any earlier offer: a caller who makes another no longer waits for it."""
        self._next = offer
        self._withdrawn.set()
        self._is_there.set()

    def withdraw(self, ids: frozenset[str]) -> None:
        if self._next is not None and self._next.id in ids:
            self._next = None
            self._is_there.clear()
        if self._current is not None and self._current.id in ids:
            self._withdrawn.set()

    async def take(self) -> tuple[OfferMessage, asyncio.Event]:
        """Return the next offer, and an event that is set once its answer is no longer wanted."""
        while self._next is None:
            await self._is_there.wait()
        self._current, self._next = self._next, None
        self._is_there.clear()
        self._withdrawn = asyncio.Event()
        return self._current, self._withdrawn


class InboxReader:
    """Reads one launch's inbox.

    Reading never waits for anything else, so a stop takes effect as it arrives. One offer is answered at a
    time, and at most one more waits.
    """

    def __init__(
        self, channel: Messages, peer: OfferTaker | None, stop: Callable[[StopMessage], None]
    ) -> None:
        """`peer` answers offers, if the caller makes any; `stop` asks the call to end."""
        self._channel = channel
        self._peer = peer
        self._stop = stop
        self._offer = _OneOffer()
        self._candidates: asyncio.Queue[CandidatesMessage] = asyncio.Queue(_MOST_CANDIDATES)
        self._answers: asyncio.Queue[tuple[str, InboxAnswer]] = asyncio.Queue(_MOST_ANSWERS)

    async def run(self) -> None:
        """Act on messages until the controller refuses this launch."""
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._send_answers())]
            if self._peer is not None:
                workers.append(tasks.create_task(self._answer_offers(self._peer)))
                workers.append(tasks.create_task(self._add_candidates(self._peer)))
            async for message in self._channel.messages():
                self._take(message)
            for worker in workers:
                worker.cancel()

    def _take(self, message: InboxMessage | Withdrawn) -> None:
        match message:
            case Withdrawn(ids=ids):
                self._offer.withdraw(ids)
            case StopMessage():
                self._stop(message)
                _put(self._answers, (message.id, InboxAnswer(body={})))
            case AssignmentMessage():
                # A controller that has just taken over does not know yet that the bot has its session.
                _put(self._answers, (message.id, InboxAnswer(body={})))
            case OfferMessage() if self._peer is not None:
                self._offer.put(message)
            case CandidatesMessage() if self._peer is not None:
                _put(self._candidates, message)
            case UnknownMessage():
                logger.warning("inbox message of a later release let go", type=message.type)
                _put(self._answers, (message.id, _NOT_KNOWN))
            case _:
                _put(self._answers, (message.id, _NO_OFFERS))

    async def _answer_offers(self, peer: OfferTaker) -> None:
        while True:
            offer, withdrawn = await self._offer.take()
            try:
                answer = InboxAnswer(body=await peer.answer(offer.offer, withdrawn))
            except UnusableOffer as error:
                answer = InboxAnswer(refusal=str(error))
            if not withdrawn.is_set():
                await self._channel.answer(offer.id, answer)

    async def _add_candidates(self, peer: OfferTaker) -> None:
        while True:
            message = await self._candidates.get()
            answer = InboxAnswer(body={})
            try:
                await peer.add_candidates(message.candidates)
            except UnusableOffer as error:
                answer = InboxAnswer(refusal=str(error))
            await self._channel.answer(message.id, answer)

    async def _send_answers(self) -> None:
        while True:
            await self._channel.answer(*await self._answers.get())


def _put(queue: asyncio.Queue[T], item: T) -> None:
    """Queue an item, or drop it if more are waiting than any caller sends."""
    try:
        queue.put_nowait(item)
    except asyncio.QueueFull:
        logger.warning("inbox message let go, too many wait")
