"""Turns of a session: answers, tools, interruptions, and what they cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.gemini.conversation import Conversation
from sandbox.gemini.memory import Memory
from sandbox.gemini.pacing import Pacing
from sandbox.gemini.record import SessionRecord
from sandbox.gemini.speech import Speaker
from sandbox.gemini.wire import ClientContent, Content, ContentPart, FunctionResponse
from sandbox.voice import Voice
from tests.unit.sandbox.setups import read_setup

SETUP = {
    "model": "models/gemini-3.8-live",
    "systemInstruction": {"parts": [{"text": "Help shoppers."}]},
    "inputAudioTranscription": {},
    "outputAudioTranscription": {},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "save_product",
                    "parameters": {"type": "OBJECT", "properties": {"productNumber": {"type": "INTEGER"}}},
                }
            ]
        }
    ],
}
SAVED = {"success": True, "alreadySaved": False, "product": {"name": "Trail running shoes"}}


class Clock:
    """Time that passes only when somebody sleeps, or not at all while it is held."""

    def __init__(self) -> None:
        self.now = 0.0
        self.running = asyncio.Event()
        self.running.set()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await self.running.wait()
        self.now += seconds
        await asyncio.sleep(0)


class Client:
    """The other end: what the model has sent, and what is waited for."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self._changed = asyncio.Condition()

    async def send(self, message: Any) -> bool:
        async with self._changed:
            self.messages.append(message)
            self._changed.notify_all()
        return True

    async def receives(self, wanted: Callable[[Any], bool]) -> Any:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: any(wanted(message) for message in self.messages))
        return next(message for message in self.messages if wanted(message))

    async def completes(self, turns: int = 1) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.completed()) >= turns)

    def contents(self, name: str) -> list[Any]:
        return [
            message["serverContent"][name]
            for message in self.messages
            if name in message.get("serverContent", {})
        ]

    def completed(self) -> list[Any]:
        return [message for message in self.messages if message.get("serverContent", {}).get("turnComplete")]

    def said(self) -> str:
        return "".join(part["text"] for part in self.contents("outputTranscription"))


async def nothing_happens(_moment: Any) -> None:
    """Go on: nothing was ordered for any moment."""


@asynccontextmanager
async def talking(
    voice: Voice, memory: Memory | None = None, setup: dict[str, Any] = SETUP
) -> AsyncIterator[tuple[Conversation, Client, Clock]]:
    client, clock = Client(), Clock()
    async with asyncio.TaskGroup() as tasks:
        conversation = Conversation(
            setup=read_setup(**setup),
            memory=memory or Memory(),
            categories=["Shoes"],
            speaker=Speaker(voice, Pacing(chunk=0.5), clock, clock.sleep),
            record=SessionRecord(datetime(2026, 1, 1, tzinfo=UTC), "models/gemini-3.8-live"),
            send=client.send,
            reach=nothing_happens,
            clock=clock,
            tasks=tasks,
            new_handle=lambda: "a-handle",
        )
        yield conversation, client, clock
        conversation.stop()


async def heard(words: Any) -> Any:
    return words


def is_tool_call(message: Any) -> bool:
    return "toolCall" in message


def is_audio(message: Any) -> bool:
    return "modelTurn" in message.get("serverContent", {})


async def call_id_of(client: Client) -> str:
    call = await client.receives(is_tool_call)
    return str(call["toolCall"]["functionCalls"][0]["id"])


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
