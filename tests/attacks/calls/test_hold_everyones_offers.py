"""Holders of a token try to use up with offers what others need: capacity, the bot's attention, its stop."""

from __future__ import annotations

import asyncio
from typing import Any

from testing.fakes.controllers.served import Controller, ServeController
from tests.attacks.offers import MEETING_BOT, in_call, offer_with, patch_of, send

RESTART = {**offer_with([]), "restart_pc": True}


async def until_held(controller: Controller, count: int) -> None:
    """Wait until so many messages wait for bots, as /metrics says."""
    line = f'podline_backlog{{queue="messages"}} {count}.0'
    async with asyncio.timeout(15):
        while line not in (await controller.client.get("/metrics")).text:  # noqa: ASYNC110 - seen from outside only
            await asyncio.sleep(0.01)


async def flood(controller: Controller, sessions: list[dict[str, Any]], each: int) -> list[asyncio.Task[int]]:
    async def one(session: dict[str, Any]) -> int:
        return (await send(controller, session, RESTART)).status_code

    return [asyncio.create_task(one(session)) for session in sessions for _ in range(each)]


async def test_two_sessions_cannot_hold_so_many_offers_that_a_third_is_refused(
    serve: ServeController,
) -> None:
    async with serve("user", capacity=3) as controller:
        mine = [await controller.start(user_id=f"silent.{number}") for number in range(2)]
        victim = await controller.start(user_id="join")
        await controller.until_live(victim["id"])
        held = await flood(controller, mine, 16)
        await until_held(controller, 2)

        answer = await send(controller, victim, offer_with([]))
        assert answer.status_code == 200, answer.text
        for session in mine:
            await controller.client.delete(f"/v1/sessions/{session['id']}")
        statuses = sorted([await each for each in held])

    assert statuses == [409] * 30 + [410] * 2


async def test_two_sessions_cannot_hold_so_many_candidates_that_a_third_is_refused(
    serve: ServeController,
) -> None:
    async with serve("user", capacity=3) as controller:
        mine = [await controller.start(user_id=f"silent.{number}") for number in range(2)]
        victim = await controller.start(user_id="join")
        await controller.until_live(victim["id"])
        patches = [
            asyncio.create_task(send(controller, session, patch_of("p", []), "PATCH"))
            for session in mine
            for _ in range(16)
        ]
        await until_held(controller, 8)

        assert (await send(controller, victim, offer_with([]))).status_code == 200
        for session in mine:
            await controller.client.delete(f"/v1/sessions/{session['id']}")
        statuses = sorted([(await each).status_code for each in patches])

    assert statuses == [410] * 8 + [503] * 24


async def test_a_stop_does_not_wait_behind_offers_that_the_bot_holds(serve: ServeController) -> None:
    """A bot that answers one message after the other lets each restart wait for 5 s before it stops."""
    async with serve(command=MEETING_BOT, grace_seconds=20) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        async with in_call(controller, session):
            held = await flood(controller, [session], 8)
            await until_held(controller, 1)
            await controller.client.delete(f"/v1/sessions/{session['id']}")
            async with asyncio.timeout(4):
                ended = await controller.until_over(session["id"])
            statuses = sorted([await each for each in held])

    assert ended["reason"] == "stopped"
    assert statuses == [409] * 7 + [410]


async def test_the_caller_gets_back_in_though_somebody_with_the_token_floods_the_bot(
    serve: ServeController,
) -> None:
    async with serve(command=MEETING_BOT) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        async with in_call(controller, session):
            held = await flood(controller, [session], 50)
            await until_held(controller, 1)
        assert sorted(await asyncio.gather(*held)) == [200] + [409] * 49
        async with in_call(controller, session):
            pass


async def test_an_offer_whose_caller_hung_up_does_not_take_the_call_afterwards(
    serve: ServeController,
) -> None:
    async with serve(command=MEETING_BOT) as controller:
        session = await controller.start()
        await controller.until_live(session["id"])
        async with in_call(controller, session):
            hanging_up = asyncio.create_task(send(controller, session, RESTART))
            await until_held(controller, 1)
            hanging_up.cancel()
            await until_held(controller, 0)
        async with in_call(controller, session) as caller:
            assert caller.connectionState == "connected"
