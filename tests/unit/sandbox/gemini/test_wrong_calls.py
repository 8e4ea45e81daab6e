"""Tool calls that come twice, without an id or with a long one, and are cancelled at the wrong time."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.orders import order, said_in
from tests.unit.sandbox.sdk import Model, connect, respond, until_turn_complete


async def calls_in(session: Any, count: int) -> list[Any]:
    """Return the first calls, which may come in several messages."""
    calls: list[Any] = []
    messages = session.receive()
    while len(calls) < count:
        message = await anext(messages)
        calls += message.tool_call.function_calls if message.tool_call else []
    return calls


def outcomes(model: Model) -> list[str]:
    return [response.outcome for response in model.gemini.record.sessions[-1].tool_responses]


@pytest.mark.parametrize("how", ["two_messages", "one_message"])
async def test_a_call_is_made_twice_and_answered_once(model: Model, how: str) -> None:
    await order(model, "repeated_tool_call", how=how)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        first, second = await calls_in(session, 2)
        assert first == second
        await respond(session, first)
        await respond(session, second)
        assert said_in(await until_turn_complete(session)).count("Saved") == 1
        await session.send_realtime_input(text="save product 3")
        [third] = await calls_in(session, 1)
        assert third.id != first.id
    assert outcomes(model) == ["answered", "repeated"]


async def test_a_call_comes_again_after_the_answer(model: Model) -> None:
    await order(model, "repeated_tool_call", how="after_turn")
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        [call] = await calls_in(session, 1)
        await respond(session, call)
        assert said_in(await until_turn_complete(session)).startswith("Saved")
        assert await calls_in(session, 1) == [call]


@pytest.mark.parametrize(("length", "made_with"), [(None, None), (0, ""), (3, "fun"), (70_000, None)])
async def test_a_call_has_a_strange_id_and_its_result_is_taken(
    model: Model, length: int | None, made_with: str | None
) -> None:
    await order(model, "wrong_tool_call_id", length=length)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        [call] = await calls_in(session, 1)
        if length is None or made_with is not None:
            assert call.id == made_with
        else:
            assert len(call.id) == length
        call.id = call.id or ""
        await respond(session, call)
        assert said_in(await until_turn_complete(session)).startswith("Saved")


async def test_an_unknown_call_is_cancelled_and_the_open_one_answered(model: Model) -> None:
    await order(model, "tool_call_cancellation", id="nobodys")
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        [call] = await calls_in(session, 1)
        messages = session.receive()
        while not (message := await anext(messages)).tool_call_cancellation:
            pass
        assert message.tool_call_cancellation.ids == ["nobodys"]
        await respond(session, call)
        assert said_in(await until_turn_complete(session)).startswith("Saved")


async def test_a_call_is_cancelled_after_its_result_and_answered(model: Model) -> None:
    await order(model, "tool_call_cancellation", after_result=True)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        [call] = await calls_in(session, 1)
        await respond(session, call)
        messages = await until_turn_complete(session)
    assert [message.tool_call_cancellation.ids for message in messages if message.tool_call_cancellation] == [
        [call.id]
    ]
    assert said_in(messages).startswith("Saved")


async def test_a_call_is_cancelled_while_it_runs(model: Model) -> None:
    await order(model, "tool_call_cancellation", delay_seconds=0.01)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        [call] = await calls_in(session, 1)
        assert not said_in(await until_turn_complete(session))
        await respond(session, call)
        await session.send_realtime_input(text="hello")
        assert await until_turn_complete(session)
    assert outcomes(model) == ["cancelled"]


async def test_every_call_can_be_wrong(model: Model) -> None:
    await order(model, "unknown_tool", calls=None)
    async with connect(model) as session:
        for number in (2, 3):
            await session.send_realtime_input(text=f"save product {number}")
            [call] = await calls_in(session, 1)
            assert call.name == "order_pizza"
            await respond(session, call)
            await until_turn_complete(session)
