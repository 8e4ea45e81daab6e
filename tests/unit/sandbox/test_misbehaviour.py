"""The model misbehaves when ordered to: what Google's own SDK sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from google.genai import errors
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sandbox.gemini.usage import Spent
from tests.unit.sandbox.orders import breaks, order, said_in
from tests.unit.sandbox.sdk import Model, connect, first_tool_call, respond, until_turn_complete


async def fails_to_connect(model: Model, kind: type[BaseException], words: str | None = None) -> Any:
    with pytest.raises(kind, match=words) as refusal:
        async with asyncio.timeout(10), connect(model):
            pass
    return refusal.value


async def silent_after(session: Any) -> AsyncIterator[Any]:
    """The messages until none has come for half a second."""
    messages = session.receive()
    with suppress(TimeoutError):
        while True:
            yield await asyncio.wait_for(anext(messages), 0.5)


@pytest.mark.parametrize(
    ("name", "parameters", "code", "sentence"),
    [
        ("refuse_key", {}, 1007, "API key not valid. Please pass a valid API key."),
        ("refuse_key", {"code": 1008}, 1008, "Your API key was reported as leaked."),
        ("refuse_quota", {}, 1011, "You exceeded your current quota"),
        ("refuse_setup", {}, 1007, "Request contains an invalid argument."),
    ],
)
async def test_a_refused_session_is_an_error_with_the_close_code_and_googles_words(
    model: Model, name: str, parameters: dict[str, Any], code: int, sentence: str
) -> None:
    await order(model, name, **parameters)
    refusal = await fails_to_connect(model, errors.APIError, sentence)
    assert refusal.code == code
    assert [refused.misbehaviour for refused in model.gemini.record.refused] == [name]
    async with connect(model):
        pass


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_status_in_place_of_a_socket_is_an_invalid_status(model: Model, status: int) -> None:
    await order(model, "http_status", status=status)
    refusal = await fails_to_connect(model, InvalidStatus)
    assert refusal.response.status_code == status


async def test_an_unreachable_model_is_a_connection_reset(model: Model) -> None:
    await order(model, "unreachable")
    await fails_to_connect(model, ConnectionResetError)
    assert [refused.misbehaviour for refused in model.gemini.record.refused] == ["unreachable"]
    async with connect(model):
        pass


async def test_a_setup_that_is_never_answered_is_silence(model: Model) -> None:
    await order(model, "accept_and_hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5), connect(model):
            pass


@pytest.mark.parametrize("code", [1001, 1006, 1011])
@pytest.mark.parametrize("after", ["setup", "audio", "tool_call"])
async def test_a_drop_is_an_error_with_its_close_code_and_has_sent_no_usage(
    model: Model, code: int, after: str
) -> None:
    await order(model, "drop", after=after, code=code)
    async with connect(model) as session:
        # Sending tells of a drop in the words of websockets, receiving in those of the SDK.
        with suppress(ConnectionClosed):
            await session.send_realtime_input(text="save product 2" if after == "tool_call" else "hello")
        assert (await breaks(session)).code == code
    assert model.gemini.record.sessions[0].tokens == Spent()


async def test_a_tool_result_is_taken_after_a_drop_and_only_once(model: Model) -> None:
    await order(model, "drop", after="tool_call")
    async with connect(model) as session:
        handle = (await anext(session.receive())).session_resumption_update.new_handle
        await session.send_realtime_input(text="save product 2")
        call = await first_tool_call(session)
        await breaks(session)
    async with connect(model, session_resumption={"handle": handle}) as session:
        await respond(session, call)
        messages = await until_turn_complete(session)
        await respond(session, call)
        await session.send_realtime_input(text="hello")
        await until_turn_complete(session)
    assert said_in(messages) == "Saved number 2, Trail running shoes."
    dropped, resumed = model.gemini.record.sessions
    assert (dropped.tokens, resumed.resumed) == (Spent(), True)
    assert [response.outcome for response in resumed.tool_responses] == ["answered", "repeated"]


async def test_a_drop_for_now_meets_who_is_connected_and_not_who_comes(model: Model) -> None:
    async with connect(model) as session:
        assert await order(model, "drop", now=True) == 1
        assert (await breaks(session)).code == 1006
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        assert await until_turn_complete(session)


async def test_the_quota_can_run_out_in_a_session(model: Model) -> None:
    async with connect(model) as session:
        await order(model, "refuse_quota", now=True)
        end = await breaks(session)
    assert end.code == 1011
    assert "You exceeded your current quota" in str(end)


async def test_faults_that_were_ordered_meet_one_connection_after_the_other(model: Model) -> None:
    await order(model, "drop")
    await order(model, "refuse_quota", times=2)
    async with connect(model) as session:
        await breaks(session)
    for _ in range(2):
        assert (await fails_to_connect(model, errors.APIError)).code == 1011
    async with connect(model):
        pass


async def test_a_stalled_model_is_silence_and_sends_no_usage(model: Model) -> None:
    await order(model, "stall", after="audio")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        audio = [message async for message in silent_after(session) if message.data]
        await session.send_realtime_input(text="hello")
        assert [message async for message in silent_after(session)] == []
    assert len(audio) == 1
    assert model.gemini.record.sessions[0].tokens == Spent()


async def test_go_away_is_told_and_then_meant(model: Model) -> None:
    await order(model, "go_away", time_left_seconds=0.2)
    async with connect(model) as session:
        message = await anext(session.receive())
        end = await breaks(session)
    assert message.go_away.time_left == "0.2s"
    assert end.code == 1008
    assert "after receiving a GoAway signal" in str(end)


async def test_who_resumes_before_the_time_is_over_is_not_bothered(model: Model) -> None:
    async with connect(model) as old:
        handle = (await anext(old.receive())).session_resumption_update.new_handle
        await order(model, "go_away", time_left_seconds=60, now=True)
        assert (await anext(old.receive())).go_away
        async with connect(model, session_resumption={"handle": handle}) as session:
            await old.close()
            await session.send_realtime_input(text="hello")
            assert await until_turn_complete(session)
    assert [record.resumed for record in model.gemini.record.sessions] == [False, True]


async def test_nonsense_is_an_error_while_receiving_and_the_socket_stays_open(model: Model) -> None:
    await order(model, "nonsense")
    async with connect(model) as session:
        assert not (await anext(session.receive())).model_dump(exclude_none=True)
        # The SDK takes a message it does not know for an error, and stumbles over its missing code.
        with pytest.raises(TypeError):
            await anext(session.receive())
        for _ in range(2):
            with pytest.raises(ValueError, match="Failed to parse response"):
                await anext(session.receive())
        await session.send_realtime_input(text="hello")
        assert any(message.data for message in await until_turn_complete(session))


async def test_nonsense_can_come_in_the_middle_of_a_call(model: Model) -> None:
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        await until_turn_complete(session)
        await order(model, "nonsense", now=True)
        with pytest.raises(TypeError):
            await until_turn_complete(session)


async def test_unknown_fields_are_not_noticed(model: Model) -> None:
    await order(model, "unknown_messages", only_fields=True)
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        messages = await until_turn_complete(session)
    assert any(message.data for message in messages)
    assert messages[-1].usage_metadata


async def test_an_unknown_message_is_an_error_of_the_sdks_own(model: Model) -> None:
    await order(model, "unknown_messages")
    async with connect(model) as session:
        with pytest.raises(TypeError):
            await anext(session.receive())


async def test_a_cancelled_tool_call_is_told_and_its_result_not_taken(model: Model) -> None:
    await order(model, "tool_call_cancellation")
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        messages = await until_turn_complete(session)
        [call] = [
            call for message in messages if message.tool_call for call in message.tool_call.function_calls
        ]
        await respond(session, call)
        await session.send_realtime_input(text="save product 3")
        second = await first_tool_call(session)
        await respond(session, second)
        await until_turn_complete(session)
    cancelled = [message.tool_call_cancellation for message in messages if message.tool_call_cancellation]
    assert [cancellation.ids for cancellation in cancelled] == [[call.id]]
    outcomes = [response.outcome for response in model.gemini.record.sessions[0].tool_responses]
    assert outcomes == ["cancelled", "answered"]


@pytest.mark.parametrize(
    ("name", "parameters", "called"),
    [
        ("wrong_tool_arguments", {"arguments": {"number": "two"}}, ("save_product", {"number": "two"})),
        ("unknown_tool", {}, ("order_pizza", {"productNumber": 2})),
    ],
)
async def test_a_tool_is_called_wrongly_once(
    model: Model, name: str, parameters: dict[str, Any], called: Any
) -> None:
    await order(model, name, **parameters)
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        wrong = await first_tool_call(session)
        await respond(session, wrong)
        await until_turn_complete(session)
        await session.send_realtime_input(text="save product 2")
        right = await first_tool_call(session)
    assert (wrong.name, wrong.args) == called
    assert (right.name, right.args) == ("save_product", {"productNumber": 2})


async def test_usage_apart_adds_up_to_what_was_spent(model: Model) -> None:
    await order(model, "usage_apart")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        before = await until_turn_complete(session)
        after = await anext(session.receive())
    usages = [message.usage_metadata for message in (*before, after) if message.usage_metadata]
    assert [(usage.prompt_token_count > 0, usage.response_token_count > 0) for usage in usages] == [
        (True, False),
        (False, True),
    ]
    assert before[-1].usage_metadata is None
    assert sum(usage.total_token_count for usage in usages) == model.gemini.record.sessions[0].tokens.total


async def test_without_resumption_handles_there_are_none(model: Model) -> None:
    await order(model, "no_resumption_handles")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        messages = await until_turn_complete(session)
    assert not any(message.session_resumption_update for message in messages)


async def test_manners_and_a_fault_can_be_had_together(model: Model) -> None:
    await order(model, "no_resumption_handles")
    await order(model, "usage_apart")
    await order(model, "drop", after="audio")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        await breaks(session)
    assert model.gemini.record.sessions[0].misbehaviours == ["no_resumption_handles", "usage_apart", "drop"]
