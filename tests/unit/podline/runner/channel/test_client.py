"""The channel: the controller learns everything once, and a call never suffers from it."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from podline.contract.messages import InboxAnswer, InboxMessage, OfferMessage, StopMessage, TurnEnded
from podline.runner.channel.client import ControllerClient, Pace, Withdrawn
from podline.runner.channel.outbox import Outbox
from podline.runner.settings import Channel
from testing.fakes.bots.bot_controller import FakeController

QUICK = Pace(
    report_every=0.02,
    request_timeout=2.0,
    poll_timeout=2.0,
    first_pause=0.01,
    longest_pause=0.02,
    answer_within=2.0,
    flush_within=2.0,
    empty_poll_at_least=0.0,
)
SELDOM = Pace(report_every=3600.0, first_pause=0.01, longest_pause=0.02)


@pytest.fixture
async def fake() -> AsyncIterator[FakeController]:
    async with FakeController() as fake:
        yield fake


@pytest.fixture
def outbox() -> Outbox:
    return Outbox(lambda: 1.0)


async def first(controller: ControllerClient, count: int) -> list[InboxMessage]:
    """The first messages of the inbox."""
    messages: list[InboxMessage] = []
    async with asyncio.timeout(10):
        async for message in controller.messages():
            assert not isinstance(message, Withdrawn)
            messages.append(message)
            if len(messages) == count:
                break
    return messages


async def test_a_report_goes_out_though_nothing_happens(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    async with ControllerClient(outbox, fake.channel, http, QUICK):
        await fake.until(lambda: len(fake.reports) >= 3)

    assert fake.counter.counted == []


async def test_a_moment_is_reported_at_once(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    async with ControllerClient(outbox, fake.channel, http, SELDOM):
        await fake.until(lambda: len(fake.reports) == 1)
        outbox.mark("joined")
        await fake.until(lambda: fake.reports[-1].timeline.joined is not None)


async def test_what_is_left_is_sent_on_the_way_out(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    async with ControllerClient(outbox, fake.channel, http, SELDOM):
        await fake.until(lambda: len(fake.reports) == 1)
        for _ in range(250):
            outbox.record(TurnEnded())

    assert len(fake.counter.counted) == 250
    assert outbox.acked_totals.turns == 250


async def test_a_batch_whose_answer_was_lost_is_counted_once(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    fake.answers_to_lose = 3
    async with ControllerClient(outbox, fake.channel, http, QUICK):
        outbox.record(TurnEnded())
        await fake.until(lambda: len(fake.reports) >= 5)

    assert fake.counter.counted == [TurnEnded()]
    assert outbox.acked_totals.turns == 1


async def test_a_controller_that_is_down_for_a_while_is_told_everything_afterwards(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession, logged: list[str]
) -> None:
    fake.refusals.extend([503, 500, 502])
    async with ControllerClient(outbox, fake.channel, http, QUICK):
        outbox.record(TurnEnded())
        await fake.until(lambda: len(fake.counter.counted) == 1)

    assert sum("report not delivered" in line for line in logged) == 1


async def test_a_controller_that_is_never_there_costs_nothing_but_the_flush(
    outbox: Outbox, http: aiohttp.ClientSession, logged: list[str]
) -> None:
    nowhere = Channel("http://127.0.0.1:1", "launch-1", "token-1")
    pace = Pace(first_pause=0.01, longest_pause=0.01, flush_within=0.05)
    async with asyncio.timeout(10), ControllerClient(outbox, nowhere, http, pace):
        outbox.record(TurnEnded())

    assert any("last report not delivered" in line for line in logged)
    assert not any("token-1" in line for line in logged)
    assert outbox.totals.turns == 1


async def test_an_error_of_the_call_leaves_the_channel_as_it_is(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with ControllerClient(outbox, fake.channel, http, QUICK):
            raise ZeroDivisionError

    assert fake.reports


async def test_an_ended_launch_tells_the_bot_to_leave(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    fake.refusals.append(409)
    async with ControllerClient(outbox, fake.channel, http, QUICK) as controller:
        await asyncio.wait_for(controller.launch_ended.wait(), 10)

    assert len(fake.reports) == 1


async def test_a_wrong_token_ends_the_reports_and_not_the_call(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    forged = Channel(fake.channel.url, "launch-1", "forged")
    async with asyncio.timeout(10), ControllerClient(outbox, forged, http, QUICK) as controller:
        fake.inbox_status = 401
        messages = [message async for message in controller.messages()]

    assert (messages, fake.reports) == ([], [])
    assert not controller.launch_ended.is_set()


@pytest.mark.parametrize("status", [413, 422])
async def test_a_batch_that_is_not_accepted_holds_up_no_other(
    status: int, fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    fake.refusals.append(status)
    outbox.record(TurnEnded())
    async with ControllerClient(outbox, fake.channel, http, QUICK):
        await fake.until(lambda: len(fake.reports) == 2)
        outbox.record(TurnEnded())

    assert (outbox.dropped, len(fake.counter.counted)) == (1, 1)
    assert outbox.totals.turns - outbox.acked_totals.turns == 1


async def test_messages_come_once_and_in_order(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    offer = OfferMessage("m1", {"sdp": "v=0", "type": "offer"})
    await fake.queue(offer, StopMessage("m2"))
    async with ControllerClient(outbox, fake.channel, http, QUICK) as controller:
        assert await first(controller, 2) == [offer, StopMessage("m2")]


async def test_a_message_that_comes_later_is_asked_for_after_the_last_one(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    await fake.queue(StopMessage("m1"))
    async with (
        ControllerClient(outbox, fake.channel, http, QUICK) as controller,
        asyncio.TaskGroup() as tasks,
    ):
        reading = tasks.create_task(first(controller, 2))
        await fake.until(lambda: "m1" in fake.polls)
        await fake.queue(StopMessage("m2"))

    assert reading.result() == [StopMessage("m1"), StopMessage("m2")]


async def test_a_restarted_controller_repeats_itself_and_the_bot_does_not(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    await fake.queue(StopMessage("m1"), StopMessage("m2"))
    async with (
        ControllerClient(outbox, fake.channel, http, QUICK) as controller,
        asyncio.TaskGroup() as tasks,
    ):
        reading = tasks.create_task(first(controller, 3))
        await fake.until(lambda: "m2" in fake.polls)
        fake.inbox.remove(StopMessage("m2"))
        polls = len(fake.polls)
        await fake.until(lambda: len(fake.polls) > polls)
        await fake.queue(StopMessage("m3"))

    assert reading.result() == [StopMessage("m1"), StopMessage("m2"), StopMessage("m3")]


async def test_an_inbox_that_answers_nothing_at_once_is_not_asked_without_a_pause(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    fake.poll_seconds = 0.0
    patient = Pace(first_pause=3600.0, longest_pause=3600.0, flush_within=0.01)
    async with ControllerClient(outbox, fake.channel, http, patient) as controller:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(controller.messages()), 0.2)

    assert len(fake.polls) == 1


async def test_an_answer_reaches_the_controller_though_it_fails_at_first(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession
) -> None:
    fake.answer_refusals.extend([503, 500])
    async with ControllerClient(outbox, fake.channel, http, QUICK) as controller:
        await controller.answer("m1", InboxAnswer(body={"type": "answer"}))

    assert fake.answers == {"m1": InboxAnswer(body={"type": "answer"})}


async def test_an_answer_nobody_waits_for_is_let_go(
    fake: FakeController, outbox: Outbox, http: aiohttp.ClientSession, logged: list[str]
) -> None:
    fake.answer_refusals.append(404)
    async with ControllerClient(outbox, fake.channel, http, QUICK) as controller:
        await controller.answer("m1", InboxAnswer(refusal="another caller is here"))

    assert fake.answers == {}
    assert any("answer not wanted" in line for line in logged)


def test_pauses_grow_to_less_than_the_silence_a_controller_bears() -> None:
    retries = Pace().retries()

    assert [retries.seconds(failures) for failures in (1, 2, 3, 6, 1000)] == [0.25, 0.5, 1.0, 5.0, 5.0]
