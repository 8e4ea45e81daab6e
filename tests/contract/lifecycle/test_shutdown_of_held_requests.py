"""Whoever waits for something when the controller leaves is sent home."""

import asyncio

from testing.fakes.controllers.served import ServeController


async def test_a_held_offer_and_a_followed_log_end_with_the_controller(serve: ServeController) -> None:
    async with serve("silent") as controller:
        session = await controller.start()
        offering = asyncio.create_task(controller.offer(session, {"sdp": "v=0", "type": "offer"}))
        path = f"/v1/sessions/{session['id']}/logs?follow=true"
        async with controller.client.stream("GET", path) as log:
            lines = log.aiter_lines()
            assert await anext(lines) == "fake bot here"
            await controller.leave()
            rest = [line async for line in lines]

    assert rest[-1].startswith("fake bot leaves")
    answer = await offering
    assert (answer.status_code, answer.json()["code"]) == (410, "session_ended")
