"""What an honest model does that was asked twice, was seeded, or need not wait for tools."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sandbox.gemini.behaviour import Behaviour
from sandbox.gemini.manners import EmptyTurn, WrongAudio
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

AGAIN = "The caller heard no answer. Say your answer to what they said last, aloud, now."
GO_ON = "The connection was interrupted for a moment. Go on where you stopped."
SEEDED = {**SETUP, "historyConfig": {"initialHistoryInClientContent": True}}


def without_waiting_for_tools(behavior: str | None = "NON_BLOCKING") -> dict[str, Any]:
    setup = copy.deepcopy(SETUP)
    [declared] = setup["tools"][0]["functionDeclarations"]
    del declared["behavior"]
    if behavior is not None:
        declared["behavior"] = behavior
    return setup


def turns(*texts: tuple[str, str]) -> ClientContent:
    return ClientContent([Content([ContentPart(text)], role) for role, text in texts])


def empty(**parameters: Any) -> Behaviour:
    return Behaviour([EmptyTurn(target="model", **parameters)])


@pytest.mark.parametrize("again", [AGAIN, GO_ON, "[Please answer.]"])
async def test_what_was_not_answered_is_answered_when_it_is_asked_for_again(voice: Voice, again: str) -> None:
    async with talking(voice, behaviour=empty(turns=1, turn="answer")) as (conversation, client, _clock):
        await conversation.take_speech(heard("hello"), 1.0, 0.5)
        await client.completes()
        await conversation.take_text(again)
        await client.completes(2)
        assert client.said().startswith("Hello!")


async def test_an_answer_that_the_model_takes_for_given_is_given_again(voice: Voice) -> None:
    quiet = Behaviour([WrongAudio(target="model", sound="zeros", turns=1)])
    async with talking(voice, behaviour=quiet) as (conversation, client, _clock):
        await conversation.take_speech(heard("hello"), 1.0, 0.5)
        await client.completes()
        await conversation.take_text(AGAIN)
        await client.completes(2)
        assert client.said().count("Hello!") == 2


async def test_a_turn_asked_for_again_is_of_the_kind_that_was_missed(voice: Voice) -> None:
    async with talking(voice, behaviour=empty(turns=2, turn="greeting")) as (conversation, client, _clock):
        await conversation.take_text(" ")
        await client.completes()
        for count in (2, 3):
            await conversation.take_text(AGAIN)
            await client.completes(count)
        assert client.said().startswith("Hello!")


async def test_a_tools_result_is_spoken_when_asked_for_again_and_the_tool_not_called(voice: Voice) -> None:
    async with talking(voice, behaviour=empty(turns=1, turn="tool_result")) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        await conversation.take_tool_response(FunctionResponse(await call_id_of(client), SAVED))
        await client.completes()
        await conversation.take_text(AGAIN)
        await client.completes(2)
        assert client.said() == "Saved number 2, Trail running shoes."
        assert conversation.record.tool_calls == ["save_product"]


async def test_a_request_after_an_unanswered_one_is_answered_itself(voice: Voice) -> None:
    async with talking(voice, behaviour=empty(turns=1)) as (conversation, client, _clock):
        await conversation.take_speech(heard("hello"), 1.0, 0.5)
        await client.completes()
        await conversation.take_text("save product 2")
        assert await call_id_of(client)


async def test_a_seeded_model_knows_what_was_looked_for_and_is_not_greeting(voice: Voice) -> None:
    async with talking(voice, setup=SEEDED) as (conversation, client, _clock):
        await conversation.take_content(turns(("user", "find lamps"), ("model", "I found 2 products.")))
        await conversation.take_text("what was i looking for")
        await client.completes()
        assert client.said() == "You asked me for lamps."


async def test_a_seeded_model_answers_the_last_request_when_asked_to_go_on(voice: Voice) -> None:
    async with talking(voice, setup=SEEDED) as (conversation, client, _clock):
        await conversation.take_content(turns(("model", "Hello!"), ("user", "save product 2")))
        await conversation.take_text(GO_ON)
        assert await call_id_of(client)


@pytest.mark.parametrize("where", ["history", "text"])
async def test_a_seeded_model_speaks_of_a_result_that_it_gets_as_text(voice: Voice, where: str) -> None:
    result = '[save_product returned: {"success": true, "product": {"name": "Trail running shoes"}}]'
    async with talking(voice, setup=SEEDED) as (conversation, client, _clock):
        told = [("model", "Hello!"), ("user", "save product 2")]
        await conversation.take_content(turns(*told, *([("user", result)] if where == "history" else [])))
        await conversation.take_text(GO_ON if where == "history" else result)
        await client.completes()
        assert client.said() == "Saved number 2, Trail running shoes."


async def test_a_result_that_was_cut_off_is_spoken_of_all_the_same(voice: Voice) -> None:
    async with talking(voice, setup=SEEDED) as (conversation, client, _clock):
        await conversation.take_content(turns(("model", "Hello!"), ("user", "find lamps")))
        await conversation.take_text('[search_products returned: {"products": [{"na]')
        await client.completes()
        assert client.said().startswith("I found some products.")


async def test_a_seeded_greeting_that_nobody_heard_is_given(voice: Voice) -> None:
    async with talking(voice, setup=SEEDED) as (conversation, client, _clock):
        await conversation.take_content(turns(("user", 'Greet the caller. Say: "Welcome to the shop!"')))
        await conversation.take_text(GO_ON)
        await client.completes()
        assert client.said() == "Welcome to the shop!"


@pytest.mark.parametrize("behavior", ["NON_BLOCKING", None])
async def test_a_model_goes_on_talking_while_a_tool_runs(voice: Voice, behavior: str | None) -> None:
    async with talking(voice, setup=without_waiting_for_tools(behavior)) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        await client.completes()
        assert client.said() == "One moment, please."
        await conversation.take_tool_response(FunctionResponse(await call_id_of(client), SAVED))
        await client.completes(2)
        assert client.said().endswith("Saved number 2, Trail running shoes.")


async def test_a_model_before_3_8_waits_for_tools_that_declare_nothing_else(voice: Voice) -> None:
    setup = {**without_waiting_for_tools(None), "model": "models/gemini-2.5-flash-native-audio"}
    async with talking(voice, setup=setup) as (conversation, client, _clock):
        await conversation.take_text("save product 2")
        await conversation.take_tool_response(FunctionResponse(await call_id_of(client), SAVED))
        await client.completes()
        assert client.said() == "Saved number 2, Trail running shoes."


@pytest.mark.parametrize(
    ("scheduling", "interruptions", "said"),
    [(None, 0, "Saved"), ("WHEN_IDLE", 0, "Saved"), ("INTERRUPT", 1, "Saved"), ("SILENT", 0, None)],
)
async def test_a_late_result_is_spoken_of_when_it_asks_to_be(
    voice: Voice, scheduling: str | None, interruptions: int, said: str | None
) -> None:
    async with talking(voice, setup=without_waiting_for_tools()) as (conversation, client, clock):
        await conversation.take_text("save product 2")
        await client.receives(is_audio)
        clock.running.clear()
        call_id = (await client.receives(is_tool_call))["toolCall"]["functionCalls"][0]["id"]
        await conversation.take_tool_response(FunctionResponse(call_id, SAVED, scheduling=scheduling))
        clock.running.set()
        await client.completes(1 if said is None else 2)
        assert conversation.record.interruptions == interruptions
        assert ("Saved" in client.said()) == (said is not None)


async def test_an_interruption_leaves_a_call_open_that_nobody_waits_for(voice: Voice) -> None:
    async with talking(voice, setup=without_waiting_for_tools()) as (conversation, client, clock):
        await conversation.take_text("save product 2")
        await client.receives(is_audio)
        clock.running.clear()
        await conversation.interrupt()
        clock.running.set()
        await conversation.take_tool_response(FunctionResponse(await call_id_of(client), SAVED))
        await client.completes(2)
        assert client.said().endswith("Saved number 2, Trail running shoes.")
        assert not any("toolCallCancellation" in message for message in client.messages)
