"""Turns of a session: answers, tools, interruptions, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.gemini.memory import Memory
from sandbox.gemini.wire import ClientContent, Content, ContentPart, FunctionResponse
from sandbox.voice import Voice
from tests.unit.sandbox.gemini.conversations import (
    SAVED,
    SETUP,
    call_id_of,
    heard,
    is_audio,
    is_tool_call,
    talking,
)


async def test_the_caller_is_greeted_once_by_content_and_nudge(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        seed = ClientContent([Content([ContentPart("You help shoppers. " * 30)], "user")], turn_complete=True)
        await conversation.take_content(seed)
        await conversation.take_text(" ")
        await client.completes()
        assert client.said().startswith("Hello!")
        await conversation.take_text(" ")
        assert not conversation.is_answering


async def test_an_instruction_that_does_not_complete_its_turn_is_not_answered(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_content(
            ClientContent([Content([ContentPart("Say goodbye to the caller.")], "user")])
        )
        assert not conversation.is_answering
        await conversation.take_content(ClientContent(turn_complete=True))
        await client.completes()
        assert "Goodbye" in client.said()


async def test_a_spoken_save_calls_the_tool_and_speaks_its_result(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_speech(heard("save product two"), 1.5, 0.5)
        call_id = await call_id_of(client)
        await conversation.take_tool_response(FunctionResponse(call_id, SAVED))
        await client.completes()
        call = (await client.receives(is_tool_call))["toolCall"]["functionCalls"][0]
        assert (call["name"], call["args"]) == ("save_product", {"productNumber": 2})
        assert client.contents("inputTranscription") == [{"text": "Save product two."}]
        assert client.said() == "Saved number 2, Trail running shoes."


async def test_a_statement_of_the_application_is_spoken_as_it_is(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        call_id = await call_id_of(client)
        statement = {"error": "The shop does not answer. Ask the caller to wait."}
        await conversation.take_tool_response(FunctionResponse(call_id, statement))
        await client.completes()
        assert client.said() == statement["error"]


async def test_a_tool_that_was_not_declared_is_not_called(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_text("remove product 2")
        await client.completes()
        assert client.said() == "Sorry, I can't do that here."


@pytest.mark.parametrize("words", [None, "tell me a joke"])
async def test_what_is_not_understood_is_answered_with_an_example(voice: Voice, words: Any) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_speech(heard(words), 1.0, 0.5)
        await client.completes()
        assert "for example" in client.said()


async def test_speech_cuts_the_answer_short(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, clock):
        await conversation.take_text("hello")
        await client.receives(is_audio)
        clock.running.clear()
        await conversation.interrupt()
        assert client.messages[-2:-1] == [{"serverContent": {"interrupted": True}}]
        assert client.completed() == client.messages[-1:]
        assert client.contents("generationComplete") == []
        assert "What are you looking for" not in client.said()


async def test_after_an_interrupted_tool_call_the_next_request_is_answered(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        first = await call_id_of(client)
        await conversation.take_text("hello")
        await client.completes(2)
        assert {"toolCallCancellation": {"ids": [first]}} in client.messages
        assert client.said().startswith("Hello!")
        await conversation.take_tool_response(FunctionResponse(first, SAVED))
        assert not conversation.is_answering


async def test_a_tool_result_after_a_reconnect_is_spoken(voice: Voice) -> None:
    memory = Memory()
    async with talking(voice, memory) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        call_id = await call_id_of(client)
    async with talking(voice, memory) as (conversation, client, _clock):
        await conversation.take_tool_response(FunctionResponse(call_id, SAVED))
        await client.completes()
        assert client.said() == "Saved number 2, Trail running shoes."


async def test_each_turn_brings_another_way_to_come_back(voice: Voice) -> None:
    async with talking(voice, setup={**SETUP, "sessionResumption": {}}) as (conversation, client, _clock):
        await conversation.open()
        await conversation.take_text("hello")
        await client.receives(lambda message: "turnComplete" in message.get("serverContent", {}))
        await conversation.take_text("hello")
        await client.completes(2)
    assert sum("sessionResumptionUpdate" in message for message in client.messages) >= 2


async def test_a_repeated_tool_result_is_counted_and_not_answered_again(voice: Voice) -> None:
    memory = Memory()
    async with talking(voice, memory) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        call_id = await call_id_of(client)
        await conversation.take_tool_response(FunctionResponse(call_id, SAVED))
        await client.completes()
    async with talking(voice, memory) as (conversation, client, _clock):
        await conversation.take_tool_response(FunctionResponse(call_id, SAVED))
        await conversation.take_tool_response(FunctionResponse("function-call-of-another", SAVED))
        assert not conversation.is_answering
        outcomes = [response.outcome for response in conversation.record.tool_responses]
    assert outcomes == ["repeated", "unknown"]


HISTORY = [
    Content([ContentPart("Help shoppers.")], "user"),
    Content([ContentPart("Hello! What are you looking for?")], "model"),
    Content([ContentPart("save product 2")], "user"),
]


@pytest.mark.parametrize("turn_complete", [True, False])
async def test_history_is_not_answered_until_somebody_asks(voice: Voice, turn_complete: Any) -> None:
    setup = {**SETUP, "historyConfig": {"initialHistoryInClientContent": True}}
    async with talking(voice, setup=setup) as (conversation, client, _clock):
        await conversation.take_content(ClientContent(HISTORY, turn_complete=turn_complete))
        assert not conversation.is_answering
        assert conversation.record.history_turns == 3
        await conversation.take_text(" ")
        assert await call_id_of(client)


async def test_after_history_the_next_request_is_answered_and_no_greeting_given(voice: Voice) -> None:
    setup = {**SETUP, "historyConfig": {"initialHistoryInClientContent": True}}
    async with talking(voice, setup=setup) as (conversation, client, _clock):
        await conversation.take_content(ClientContent(HISTORY, turn_complete=False))
        await conversation.take_speech(heard("remove product two"), 1.5, 0.5)
        await client.completes()
        await conversation.take_text(" ")
        assert not conversation.is_answering
        assert client.said() == "Sorry, I can't do that here."


async def test_an_instruction_is_paid_for_once_in_a_resumed_session(voice: Voice) -> None:
    memory = Memory()
    async with talking(voice, memory):
        once = memory.context
    async with talking(voice, memory):
        assert memory.context == once


async def test_usage_counts_what_was_heard_and_sent(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, _clock):
        await conversation.take_speech(heard(None), 2.0, 0.5)
        await client.completes()
        usage = client.completed()[0]["usageMetadata"]
        sent = sum(
            len(turn["parts"][0]["inlineData"]["data"]) * 3 // 4 for turn in client.contents("modelTurn")
        )
        assert usage["promptTokensDetails"] == [
            {"modality": "TEXT", "tokenCount": 4},
            {"modality": "AUDIO", "tokenCount": 64},
        ]
        assert usage["responseTokenCount"] == pytest.approx(sent / 48_000 * 25, abs=1)
        assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["responseTokenCount"]


async def test_the_turn_is_complete_when_the_answer_has_been_played(voice: Voice) -> None:
    async with talking(voice) as (conversation, client, clock):
        await conversation.take_text("hello")
        await client.completes()
        sent = sum(
            len(turn["parts"][0]["inlineData"]["data"]) * 3 // 4 for turn in client.contents("modelTurn")
        )
        assert clock.now == pytest.approx(sent / 48_000, abs=0.01)
