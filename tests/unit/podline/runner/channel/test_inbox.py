"""What a bot does with its inbox: a stop at once, the latest offer, candidates beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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
from podline.runner.channel.inbox import InboxReader
from podline.runner.room.protocols import UnusableOffer


class FakeChannel:
    """Hands messages out as a test puts them in, and keeps the answers."""

    def __init__(self) -> None:
        self.answers: dict[str, InboxAnswer] = {}
        self._queue: asyncio.Queue[InboxMessage | Withdrawn | None] = asyncio.Queue()
        self._changed = asyncio.Condition()

    def put(self, *messages: InboxMessage | Withdrawn | None) -> None:
        for message in messages:
            self._queue.put_nowait(message)

    async def messages(self) -> AsyncIterator[InboxMessage | Withdrawn]:
        while (message := await self._queue.get()) is not None:
            yield message

    async def answer(self, message_id: str, answer: InboxAnswer) -> None:
        async with self._changed:
            self.answers[message_id] = answer
            self._changed.notify_all()

    async def answered(self, message_id: str) -> InboxAnswer:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: message_id in self.answers)
        return self.answers[message_id]


class SlowPeer:
    """Answers an offer when a test lets it, or refuses it when it is withdrawn."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.most_at_once = 0
        self.may_answer = asyncio.Event()
        self._at_once = 0
        self._changed = asyncio.Condition()

    async def answer(self, offer: dict[str, Any], withdrawn: asyncio.Event) -> dict[str, Any]:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        async with self._changed:
            self.begun.append(offer["sdp"])
            self._changed.notify_all()
        waiting = [asyncio.create_task(event.wait()) for event in (withdrawn, self.may_answer)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        self._at_once -= 1
        if withdrawn.is_set():
            raise UnusableOffer("withdrawn")
        return {"sdp": f"answer to {offer['sdp']}"}

    async def add_candidates(self, _patch: dict[str, Any]) -> None: ...

    async def has_begun(self, sdp: str) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: sdp in self.begun)


class Site:
    def __init__(self) -> None:
        self.channel = FakeChannel()
        self.peer = SlowPeer()
        self.stopped = asyncio.Event()


@asynccontextmanager
async def reading() -> AsyncIterator[Site]:
    site = Site()
    reader = InboxReader(site.channel, site.peer, lambda _stop: site.stopped.set())  # type: ignore[arg-type]
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.run())
        yield site
        site.channel.put(None)


def offer(key: str) -> OfferMessage:
    return OfferMessage(key, {"sdp": key, "type": "offer"})


async def test_a_stop_does_not_wait_for_an_offer_that_does() -> None:
    async with reading() as site:
        site.channel.put(offer("m1"))
        await site.peer.has_begun("m1")
        site.channel.put(StopMessage("m2"))
        await site.stopped.wait()
        assert await site.channel.answered("m2") == InboxAnswer(body={})
        assert "m1" not in site.channel.answers


async def test_candidates_do_not_wait_for_an_offer_that_does() -> None:
    async with reading() as site:
        site.channel.put(offer("m1"))
        await site.peer.has_begun("m1")
        site.channel.put(CandidatesMessage("m2", {"pc_id": "p", "candidates": []}))
        await site.channel.answered("m2")


async def test_a_bot_that_has_its_call_confirms_it_again() -> None:
    async with reading() as site:
        site.channel.put(AssignmentMessage("m1", "session-1"))
        assert (await site.channel.answered("m1")) == InboxAnswer(body={})


async def test_of_a_flood_of_offers_one_is_at_work_and_the_latest_is_answered() -> None:
    async with reading() as site:
        site.channel.put(*(offer(f"m{number}") for number in range(1000)))
        await site.peer.has_begun("m999")
        site.peer.may_answer.set()
        assert (await site.channel.answered("m999")).body == {"sdp": "answer to m999"}

    assert site.peer.most_at_once == 1
    assert set(site.channel.answers) == {"m999"}


async def test_an_offer_that_nobody_waits_for_any_more_is_given_up() -> None:
    async with reading() as site:
        site.channel.put(offer("m1"))
        await site.peer.has_begun("m1")
        site.channel.put(Withdrawn(frozenset({"m1"})), offer("m2"), Withdrawn(frozenset({"m2"})), offer("m3"))
        await site.peer.has_begun("m3")
        site.peer.may_answer.set()
        await site.channel.answered("m3")

    assert site.peer.begun == ["m1", "m3"]
    assert set(site.channel.answers) == {"m3"}


async def test_a_flood_to_a_bot_that_takes_no_offers_is_refused_and_a_stop_gets_through() -> None:
    channel, stopped = FakeChannel(), asyncio.Event()
    channel.put(*(offer(f"m{number}") for number in range(1000)), StopMessage("stop"), None)
    async with asyncio.timeout(10):
        await InboxReader(channel, None, lambda _stop: stopped.set()).run()

    assert stopped.is_set()


async def test_a_message_of_a_later_release_is_refused_and_the_next_one_handled() -> None:
    channel = FakeChannel()
    stops: list[StopMessage] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(InboxReader(channel, None, stops.append).run())
        channel.put(UnknownMessage("m1", "assignment"), StopMessage("m2"))
        refused, stopped = await channel.answered("m1"), await channel.answered("m2")
        channel.put(None)

    assert refused.refusal == "This bot is of an earlier release, which has no such messages."
    assert (stopped.refusal, stops) == (None, [StopMessage("m2")])
