"""Orders aimed at one caller's conversation, over all of the caller's connections; and who is listed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from google.genai import errors
from websockets.exceptions import InvalidStatus

from sandbox.gemini.record import live_conversations
from tests.unit.sandbox.orders import breaks, order, said_in
from tests.unit.sandbox.sdk import Model, answer_to, connect, handle_in


def newest(model: Model) -> str:
    return model.gemini.record.sessions[-1].conversation


async def test_an_order_for_one_conversation_leaves_the_others_alone(model: Model) -> None:
    async with connect(model) as first:
        name = newest(model)
        async with connect(model) as second:
            assert await order(model, "drop", conversation=name, now=True) == 1
            assert (await breaks(first)).code == 1006
            assert any(message.data for message in await answer_to(second, "hello"))


async def test_an_order_meets_a_conversation_at_its_next_matching_moment(model: Model) -> None:
    async with connect(model) as session:
        await order(model, "drop", conversation=newest(model), now=True, after="turn_start", utterance=2)
        assert said_in(await answer_to(session, "hello")).startswith("Hello")
        await session.send_realtime_input(text="hello")
        assert (await breaks(session)).code == 1006


async def test_an_order_for_a_conversation_waits_for_its_resumption(model: Model) -> None:
    async with connect(model) as session:
        name, handle = newest(model), await handle_in(session)
        assert await order(model, "refuse_setup", conversation=name) == 0
        async with connect(model):
            pass
    with pytest.raises(errors.APIError) as refusal:
        async with connect(model, session_resumption={"handle": handle}):
            pass
    assert refusal.value.code == 1007
    async with connect(model, session_resumption={"handle": handle}):
        assert newest(model) == name


@pytest.mark.parametrize("code", [1007, 1008, 1011])
async def test_a_handle_can_be_refused_and_a_fresh_connection_not(model: Model, code: int) -> None:
    async with connect(model) as session:
        handle = await handle_in(session)
        await order(
            model, "drop", after="connect", code=code, reason="handle", connection="resumed", times=2,
            conversation=newest(model),
        )  # fmt: skip
    async with connect(model):
        pass
    for _ in range(2):
        with pytest.raises(errors.APIError, match="handle") as refusal:
            async with connect(model, session_resumption={"handle": handle}):
                pass
        assert refusal.value.code == code
    async with connect(model, session_resumption={"handle": handle}):
        pass
    assert [refused.misbehaviour for refused in model.gemini.record.refused] == ["drop", "drop"]


async def test_an_order_follows_the_caller_into_the_conversation_after_a_loss(model: Model) -> None:
    async with connect(model) as session:
        name = newest(model)
        await order(model, "drop", conversation=name, now=True, times=3)
        await breaks(session)
    async with connect(model) as session:
        assert (await breaks(session)).code == 1006
    second = model.gemini.record.sessions[-1]
    await order(model, "http_status", status=503, conversation=name)
    # The drop is older, so the status comes after it.
    async with connect(model) as session:
        assert (await breaks(session)).code == 1006
    with pytest.raises(InvalidStatus) as refusal:
        async with connect(model):
            pass
    assert b"overloaded" in refusal.value.response.body
    async with connect(model):
        assert model.gemini.record.sessions[-1].misbehaviours == []
    assert (second.conversation != name, second.succeeds) == (True, name)


@pytest.mark.parametrize("reads", [True, False])
async def test_an_order_follows_a_caller_who_gives_up_a_stalled_connection(model: Model, reads: Any) -> None:
    async with connect(model) as stalled:
        name = newest(model)
        await order(model, "stall", reads=reads, conversation=name, now=True)
        async with connect(model) as second:
            await order(model, "drop", conversation=name, now=True)
            await breaks(second)
            async with connect(model):
                assert (
                    model.gemini.record.sessions[-1].succeeds == model.gemini.record.sessions[-2].conversation
                )
        stalled._ws.transport.abort()


async def test_a_callers_utterances_are_counted_over_reconnects_and_from_a_greeting_on(model: Model) -> None:
    async with connect(model) as session:
        name = newest(model)
        await answer_to(session, " ")
        await answer_to(session, "hello")
        await order(model, "drop", conversation=name, now=True)
        await breaks(session)
    async with connect(model) as session:
        await order(model, "drop", conversation=name, now=True, after="turn_start", utterance=2)
        await session.send_realtime_input(text="hello")
        await breaks(session)
    await order(model, "drop", after="turn_start", utterance=1)
    async with connect(model) as session:
        await answer_to(session, " ")
        await session.send_realtime_input(text="hello")
        assert (await breaks(session)).code == 1006


async def test_a_caller_who_has_left_is_not_taken_for_the_next_one(model: Model) -> None:
    async with connect(model):
        await order(model, "drop", conversation=newest(model))
    async with connect(model) as session:
        assert await answer_to(session, "hello")
        assert model.gemini.record.sessions[-1].succeeds is None


async def test_forgetting_the_orders_forgets_those_for_one_caller_and_the_caller(
    model: Model,
) -> None:
    async with connect(model) as session:
        await order(model, "drop", conversation=newest(model), now=True, times=None)
        await breaks(session)
    model.gemini.orders.reset()
    async with connect(model) as session:
        assert await answer_to(session, "hello")
        assert model.gemini.record.sessions[-1].succeeds is None


async def test_an_order_for_an_unknown_conversation_is_refused(model: Model) -> None:
    with pytest.raises(msgspec.ValidationError, match="no conversation nobodys"):
        await order(model, "drop", conversation="nobodys")


async def test_an_order_for_an_instruction_meets_its_caller_alone_whenever_they_connect(model: Model) -> None:
    await order(model, "drop", instruction="[ana]", times=2)
    async with connect(model, system_instruction="Be kind. [bo]") as bo:
        async with connect(model, system_instruction="Be kind. [ana]") as ana:
            await breaks(ana)
        async with connect(model, system_instruction="Be kind. [ana]") as ana:
            await breaks(ana)
        async with connect(model, system_instruction="Be kind. [ana]") as ana:
            assert await answer_to(ana, "hello")
            assert model.gemini.record.sessions[-1].instruction_ends == "Be kind. [ana]"
        assert await answer_to(bo, "hello")


async def test_an_order_for_an_instruction_meets_a_caller_who_is_connected(model: Model) -> None:
    async with (
        connect(model, system_instruction="Be kind. [ana]") as ana,
        connect(model, system_instruction="Be kind. [bo]") as bo,
    ):
        assert await order(model, "drop", instruction="[ana]", now=True) == 1
        await breaks(ana)
        assert await answer_to(bo, "hello")
        # Whoever opens a connection from the same address next is somebody else, by the instruction.
        await order(model, "drop", instruction="[ana]")
        async with connect(model, system_instruction="Be kind. [cy]") as cy:
            assert await answer_to(cy, "hello")


async def test_a_status_meets_the_caller_with_an_instruction_after_a_loss(model: Model) -> None:
    async with connect(model, system_instruction="Be kind. [ana]") as ana:
        await order(model, "http_status", status=503, instruction="[ana]")
        async with connect(model, system_instruction="Be kind. [bo]"):
            pass
        await order(model, "drop", instruction="[ana]", now=True)
        await breaks(ana)
    with pytest.raises(InvalidStatus):
        async with connect(model, system_instruction="Be kind. [ana]"):
            pass
    async with connect(model, system_instruction="Be kind. [ana]"):
        pass


async def test_an_older_handle_is_recorded_as_older(model: Model) -> None:
    async with connect(model) as session:
        old = await handle_in(session)
        await answer_to(session, "hello")
    async with connect(model, session_resumption={"handle": old}):
        assert model.gemini.record.sessions[-1].newer_handles == 1


async def test_the_conversations_that_go_on_are_listed(model: Model) -> None:
    async with connect(model) as gone:
        await answer_to(gone, "hello")
    async with connect(model) as session:
        handle = await handle_in(session)
        await answer_to(session, "find lamps")
        async with connect(model, session_resumption={"handle": handle}):
            [listed] = live_conversations(model.gemini.record)
    assert (listed.index, listed.conversation) == (1, newest(model))
    assert (listed.heard_last, listed.turns, listed.connections) == ("find lamps", 1, 2)
    assert live_conversations(model.gemini.record) == []


async def test_a_session_that_compresses_its_context_is_on_record(model: Model) -> None:
    async with connect(model, context_window_compression={"sliding_window": {}}):
        pass
    async with connect(model):
        pass
    assert [session.compresses_context for session in model.gemini.record.sessions] == [True, False]
