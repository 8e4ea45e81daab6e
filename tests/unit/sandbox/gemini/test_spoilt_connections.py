"""Connections that break, forget, stall or lag at a moment that was ordered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.genai import errors, types
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.unit.sandbox.orders import breaks, order, said_in
from tests.unit.sandbox.sdk import (
    Model,
    answer_to,
    connect,
    first_tool_call,
    handle_in,
    respond,
    until_turn_complete,
)

RECALL = "what was i looking for"


async def until_end(session: Any) -> list[Any]:
    """Return the messages until the connection breaks."""
    messages: list[Any] = []
    with pytest.raises(errors.APIError):
        await _collect(session, messages)
    return messages


async def _collect(session: Any, messages: list[Any]) -> None:
    while True:
        async for message in session.receive():
            messages.append(message)  # noqa: PERF401 - the error that ends it would lose them


@pytest.mark.parametrize("code", [1000, 1001, 1007, 1008, 1009, 1011, 1013, 4999])
async def test_a_connection_closes_with_any_code_and_reason(model: Model, code: int) -> None:
    await order(model, "drop", code=code, reason="as ordered", after="turn_start")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        with pytest.raises((errors.APIError, ConnectionClosed), match="as ordered"):
            await _collect(session, [])


@pytest.mark.parametrize("code", [999, 1004, 1005, 1015, 2000, 5000])
async def test_no_connection_closes_with_a_code_that_no_frame_may_hold(model: Model, code: int) -> None:
    with pytest.raises(ValueError, match="code"):
        await order(model, "drop", code=code)


async def test_a_greeting_is_cut_before_any_of_it_is_heard(model: Model) -> None:
    await order(model, "drop", after="turn_start", turn="greeting")
    async with connect(model) as session:
        await session.send_realtime_input(text=" ")
        assert not any(message.data for message in await until_end(session))


async def test_a_connection_breaks_between_a_tools_result_and_the_answer(model: Model) -> None:
    await order(model, "drop", after="turn_start", turn="tool_result")
    async with connect(model) as session:
        handle = await handle_in(session)
        await session.send_realtime_input(text="save product 2")
        await respond(session, await first_tool_call(session))
        assert not any(message.data for message in await until_end(session))
    async with connect(model, session_resumption={"handle": handle}) as session:
        assert said_in(await answer_to(session, "Go on where you stopped.")).startswith("Saved number 2")
    assert [session.tool_calls for session in model.gemini.record.sessions] == [["save_product"], []]


async def test_a_connection_breaks_before_a_tools_result_is_taken(model: Model) -> None:
    await order(model, "drop", after="tool_response")
    async with connect(model) as session:
        handle = await handle_in(session)
        await session.send_realtime_input(text="save product 2")
        call = await first_tool_call(session)
        await respond(session, call)
        await breaks(session)
    async with connect(model, session_resumption={"handle": handle}) as session:
        await respond(session, call)
        assert said_in(await until_turn_complete(session)).startswith("Saved number 2")


async def test_a_connection_breaks_after_a_barge_in_over_a_running_tool(model: Model) -> None:
    await order(model, "drop", after="tool_call_cancellation")
    async with connect(model) as session:
        await session.send_realtime_input(text="save product 2")
        await first_tool_call(session)
        await session.send_realtime_input(text="hello")
        messages = await until_end(session)
    assert any(message.tool_call_cancellation for message in messages)
    assert said_in(messages) == ""


async def test_an_answer_breaks_off_some_time_after_it_began(model: Model) -> None:
    await order(model, "drop", after="audio", delay_seconds=0.01)
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        assert any(message.data for message in await until_end(session))


async def test_a_resumed_session_can_have_forgotten_everything(model: Model) -> None:
    async with connect(model) as session:
        handle = await handle_in(session)
        await answer_to(session, "find running shoes")
        assert said_in(await answer_to(session, RECALL)) == "You asked me for running shoes."
    async with connect(model, session_resumption={"handle": handle}) as session:
        assert said_in(await answer_to(session, RECALL)) == "You asked me for running shoes."
    await order(model, "amnesia")
    async with connect(model):
        assert model.gemini.record.sessions[-1].misbehaviours == []
    async with connect(model, session_resumption={"handle": handle}) as session:
        messages = await answer_to(session, RECALL)
    assert said_in(messages) == "You have not asked me for anything yet."
    assert model.gemini.record.sessions[-1].resumed


@pytest.mark.parametrize(
    ("name", "parameters", "updates"),
    [("withheld", {}, 0), ("delayed", {"seconds": 0.01}, 2)],
)
async def test_a_handle_comes_late_or_never(
    model: Model, name: str, parameters: dict[str, Any], updates: int
) -> None:
    await order(model, name, what=["resumption_update"], **parameters)
    async with connect(model) as session:
        messages = [*await answer_to(session, "hello"), *await answer_to(session, "hello")]
    assert sum(message.session_resumption_update is not None for message in messages) >= updates
    if not updates:
        assert not any(message.session_resumption_update for message in messages)


async def test_a_go_away_comes_before_the_turns_own_handle(model: Model) -> None:
    await order(model, "delayed", what=["resumption_update"], seconds=0.01, turns=1)
    await order(model, "go_away", after="turn_complete", time_left_seconds=60)
    async with connect(model) as session:
        first = await handle_in(session)
        await answer_to(session, "hello")
        told = session.receive()
        announced, update = await anext(told), await anext(told)
    assert announced.go_away.time_left == "60s"
    newest = update.session_resumption_update.new_handle
    async with connect(model, session_resumption={"handle": newest}):
        assert model.gemini.record.sessions[-1].newer_handles == 0
    async with connect(model, session_resumption={"handle": first}):
        # That of the turn, and the one with which the resumed session began.
        assert model.gemini.record.sessions[-1].newer_handles == 2


@pytest.mark.parametrize(
    ("what", "missing"), [("generation_complete", "generation_complete"), ("output_transcription",) * 2]
)
async def test_part_of_a_turn_is_missing(model: Model, what: str, missing: str) -> None:
    await order(model, "withheld", what=[what])
    async with connect(model) as session:
        contents = [
            message.server_content for message in await answer_to(session, "hello") if message.server_content
        ]
    assert contents
    assert not any(getattr(content, missing) for content in contents)


async def test_a_turn_stops_in_mid_sentence_and_the_next_does_not(model: Model) -> None:
    await order(model, "withheld", what=["everything"], after_audio_seconds=1, turns=1)
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        audio = b""
        messages = session.receive()
        while len(audio) < 48_000:
            audio += (await anext(messages)).data or b""
        assert len(audio) < 2 * 48_000
        assert (await answer_to(session, "hello"))[-1].server_content.turn_complete


async def test_usage_is_missing_or_absurd(model: Model) -> None:
    async with connect(model) as session:
        await order(model, "withheld", what=["usage"], turns=1, now=True)
        assert (await answer_to(session, "hello"))[-1].usage_metadata is None
        await order(model, "wrong_usage", tokens=-5, turns=1, now=True)
        usage = (await answer_to(session, "hello"))[-1].usage_metadata
        assert (usage.prompt_token_count, usage.total_token_count) == (-5, -5)
        spent = (await answer_to(session, "hello"))[-1].usage_metadata
    assert model.gemini.record.sessions[0].tokens.total == spent.total_token_count


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_status_comes_with_googles_words_or_others(model: Model, status: int) -> None:
    await order(model, "http_status", status=status, times=2)
    await order(model, "http_status", status=status, message="out of quota")
    refusals = []
    for _ in range(3):
        with pytest.raises(InvalidStatus) as refusal:
            async with connect(model):
                pass
        refusals.append(refusal.value.response.body.decode())
    words = {429: "exceeded your current quota", 500: "Internal error", 503: "overloaded"}
    assert [words[status] in refusal for refusal in refusals] == [True, True, False]
    assert "out of quota" in refusals[2]


async def test_pings_are_answered_until_pongs_are_withheld(model: Model) -> None:
    async with connect(model) as session:
        async with asyncio.timeout(10):
            await (await session._ws.ping())
        await order(model, "withhold_pongs", now=True)
        unanswered = await session._ws.ping()
        assert any(message.data for message in await answer_to(session, "hello"))
        assert not unanswered.done()
        unanswered.cancel()


async def test_a_message_is_larger_than_a_client_takes(model: Model) -> None:
    await order(model, "huge_message", bytes=2 * 1024 * 1024, after="turn_start")
    async with connect(model) as session:
        await session.send_realtime_input(text="hello")
        with pytest.raises((errors.APIError, ConnectionClosed)):
            await _collect(session, [])


async def _fill(session: Any, audio: types.Blob) -> None:
    while True:
        await session.send_realtime_input(audio=audio)


async def test_a_model_stops_reading(model: Model) -> None:
    async with connect(model) as session:
        await order(model, "stall", reads=False, now=True)
        silence = types.Blob(data=bytes(512 * 1024), mime_type="audio/pcm;rate=16000")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_fill(session, silence), 1)
        # A close would wait for an answer.
        session._ws.transport.abort()


async def test_a_transcription_is_long(model: Model) -> None:
    await order(model, "long_transcriptions", bytes=50_000)
    async with connect(model) as session:
        assert len(said_in(await answer_to(session, "hello"))) % 50_000 == 0


async def test_transcriptions_come_after_all_that_they_are_of(model: Model) -> None:
    await order(model, "delayed", what=["output_transcription"], seconds=0.2)
    async with connect(model) as session:
        assert said_in(await answer_to(session, "hello"))


async def test_a_turn_ends_twice(model: Model) -> None:
    await order(model, "repeated", what=["turn_complete"], turns=1)
    async with connect(model) as session:
        await handle_in(session)
        assert any(message.data for message in await answer_to(session, "hello"))
        [again] = await until_turn_complete(session)
        assert again.usage_metadata is None


async def test_a_model_interrupts_itself_and_goes_on(model: Model) -> None:
    await order(model, "false_interruption", after="audio")
    async with connect(model) as session:
        messages = await answer_to(session, "hello")
    interrupted = [
        bool(message.server_content and message.server_content.interrupted) for message in messages
    ]
    assert interrupted.count(True) == 1
    assert any(message.data for message in messages[interrupted.index(True) :])


async def test_a_session_says_that_it_can_not_be_resumed(model: Model) -> None:
    await order(model, "no_resumption_handles", says_so=True)
    async with connect(model) as session:
        update = (await anext(session.receive())).session_resumption_update
    assert (update.resumable, update.new_handle) == (False, None)


async def test_a_setup_is_answered_late(model: Model) -> None:
    await order(model, "delayed", what=["setup", "resumption_update"], seconds=0.01)
    async with connect(model) as session:
        assert any(message.data for message in await answer_to(session, "hello"))
