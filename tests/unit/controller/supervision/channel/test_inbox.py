"""What a bot receives, and what it answers."""

import asyncio

import pytest

from controller.core.errors import (
    BotUnavailable,
    LaunchEnded,
    OfferRefused,
    OfferSuperseded,
    SessionEnded,
    ShuttingDown,
)
from controller.supervision.channel.inbox import Inbox
from podline.contract.messages import CandidatesMessage, InboxAnswer, InboxMessage, OfferMessage, StopMessage

OFFER = {"sdp": "v=0", "type": "offer"}
GONE = SessionEnded("The session has ended. The caller left.")


async def next_message(inbox: Inbox, after: str | None = None) -> InboxMessage:
    [message] = await inbox.poll(after, 5)
    return message


async def test_an_offer_waits_for_the_poll_and_its_answer_goes_back() -> None:
    inbox = Inbox()
    asking = asyncio.create_task(inbox.offer(OFFER, 5))
    message = await next_message(inbox)
    assert message == OfferMessage(id=message.id, offer=OFFER)

    inbox.answer(message.id, InboxAnswer(body={"sdp": "yes"}))
    assert await asking == {"sdp": "yes"}
    assert await inbox.poll(None, 0) == []


async def test_a_poll_that_came_first_gets_what_comes_later() -> None:
    inbox = Inbox()
    polling = asyncio.create_task(inbox.poll(None, 5))
    await asyncio.sleep(0)
    asking = asyncio.create_task(inbox.candidates({"pc_id": "p"}, 5))

    [message] = await polling
    assert isinstance(message, CandidatesMessage)
    inbox.answer(message.id, InboxAnswer(body={}))
    assert await asking == {}


async def test_only_what_came_after_the_named_message_is_handed_out_again() -> None:
    inbox = Inbox()
    first = asyncio.create_task(inbox.offer(OFFER, 5))
    message = await next_message(inbox)
    second = asyncio.create_task(inbox.candidates({}, 5))

    later = await next_message(inbox, message.id)
    assert isinstance(later, CandidatesMessage)
    # A bot that has lost count, or remembers an earlier controller's, gets all that is unanswered.
    for forgotten in (None, "", "other-1", "7", f"{message.id}9", "x-y-z"):
        assert len(await inbox.poll(forgotten, 0)) == 2
    inbox.close(GONE)
    await asyncio.gather(first, second, return_exceptions=True)


async def test_a_stop_is_there_once_however_often_it_is_asked_for() -> None:
    inbox = Inbox()
    inbox.stop()
    inbox.stop()

    message = await next_message(inbox)
    assert isinstance(message, StopMessage)
    inbox.answer(message.id, InboxAnswer())
    assert await inbox.poll(None, 0) == []


async def test_a_refusal_is_the_bots_own_sentence() -> None:
    inbox = Inbox()
    asking = asyncio.create_task(inbox.offer(OFFER, 5))
    inbox.answer((await next_message(inbox)).id, InboxAnswer(refusal="Another caller is here."))

    with pytest.raises(OfferRefused, match=r"^Another caller is here\.$"):
        await asking


async def test_an_offer_that_is_not_answered_in_time_is_withdrawn() -> None:
    inbox = Inbox()
    with pytest.raises(BotUnavailable):
        await inbox.offer(OFFER, 0)
    assert await inbox.poll(None, 0) == []


async def test_an_offer_whose_caller_has_hung_up_is_withdrawn() -> None:
    inbox = Inbox()
    asking = asyncio.create_task(inbox.offer(OFFER, 5))
    await next_message(inbox)
    asking.cancel()
    await asyncio.wait([asking])

    assert await inbox.poll(None, 0) == []


async def test_an_answer_that_is_not_expected_is_ignored() -> None:
    inbox = Inbox()
    inbox.answer("unknown", InboxAnswer(body={}))


async def test_when_the_bot_has_gone_all_who_wait_learn_why() -> None:
    inbox = Inbox()
    asking = asyncio.create_task(inbox.offer(OFFER, 5))
    await next_message(inbox)
    polling = asyncio.create_task(inbox.poll((await next_message(inbox)).id, 5))
    await asyncio.sleep(0)
    inbox.close(GONE)

    with pytest.raises(SessionEnded, match=r"The caller left\."):
        await asking
    with pytest.raises(LaunchEnded):
        await polling
    with pytest.raises(SessionEnded):
        await inbox.offer(OFFER, 5)


async def test_a_controller_that_leaves_does_not_send_its_bots_away() -> None:
    inbox = Inbox()
    polling = asyncio.create_task(inbox.poll(None, 5))
    await asyncio.sleep(0)
    inbox.close(ShuttingDown())

    with pytest.raises(ShuttingDown):
        await polling
    with pytest.raises(ShuttingDown):
        await inbox.poll(None, 5)


async def test_another_offer_replaces_the_one_that_waits() -> None:
    inbox = Inbox()
    first = asyncio.create_task(inbox.offer(OFFER, 5))
    fetched = await next_message(inbox)
    second = asyncio.create_task(inbox.offer({**OFFER, "pc_id": "p"}, 5))

    with pytest.raises(OfferSuperseded):
        await first
    latest = await next_message(inbox)
    assert isinstance(latest, OfferMessage)
    assert latest.offer["pc_id"] == "p"
    assert inbox.take_withdrawn() == [fetched.id]
    inbox.answer(latest.id, InboxAnswer(body={"sdp": "yes"}))
    assert await second == {"sdp": "yes"}


async def test_a_message_that_was_fetched_and_withdrawn_is_named_to_the_bot_once() -> None:
    inbox = Inbox()
    asking = asyncio.create_task(inbox.offer(OFFER, 5))
    message = await next_message(inbox)
    polling = asyncio.create_task(inbox.poll(message.id, 5))
    await asyncio.sleep(0)
    asking.cancel()

    assert await polling == []
    assert inbox.take_withdrawn() == [message.id]
    assert inbox.take_withdrawn() == []


async def test_a_message_that_was_never_fetched_is_withdrawn_silently() -> None:
    inbox = Inbox()
    with pytest.raises(BotUnavailable):
        await inbox.offer(OFFER, 0)

    assert inbox.take_withdrawn() == []


async def test_a_stop_stands_before_what_was_there_earlier() -> None:
    inbox = Inbox()
    asking = [asyncio.create_task(inbox.offer(OFFER, 5)), asyncio.create_task(inbox.candidates({}, 5))]
    await asyncio.sleep(0)
    inbox.stop()

    assert [type(message) for message in await inbox.poll(None, 5)] == [
        StopMessage,
        OfferMessage,
        CandidatesMessage,
    ]
    inbox.close(GONE)
    await asyncio.gather(*asking, return_exceptions=True)
