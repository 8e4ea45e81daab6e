"""A spoken call from end to end, made by a scripted caller."""

from __future__ import annotations

import httpx

from sandbox.caller import calling
from sandbox.voice import Voice
from testing.processes import ended_session, eventually

MOMENTS = ["accepted", "launched", "process_up", "joined", "caller_joined", "first_speech", "ended"]


async def test_a_caller_is_greeted_and_finds_saves_and_hangs_up(
    controller_url: str, controller: httpx.AsyncClient, store: httpx.AsyncClient, voice: Voice
) -> None:
    """The product's main job: hear a greeting, ask, be answered, save, leave, and have it on record."""
    async with calling(controller_url, voice, user_id="ana") as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()

        asked = await caller.say("find running shoes under one hundred dollars")
        found = await caller.message(lambda message: message.is_server_message("products_found"))
        assert await caller.hears_bot() > asked
        await caller.bot_quiet()
        assert found.data["query"] == "running shoes"
        assert all(product["price"] < 100 for product in found.data["products"])
        assert found.data["products"][0]["name"].lower() in caller.bot_turns()[-1].lower()

        await caller.say("save product two")
        saved = await caller.message(lambda message: message.is_server_message("product_saved"))
        called = await caller.message(lambda message: message.type == "llm-function-call-stopped")
        await caller.hears_bot()
        await caller.bot_quiet()
        assert saved.data["number"] == 2
        assert called.data["function_name"] == "save_product", "what the page's list of tool calls shows"
        assert called.data["result"]["saved"]["number"] == 2
        assert all(message.type != "error" for message in caller.messages), caller.account()

    session = await eventually(lambda: ended_session(controller, session_id), "the session's end", within=3)
    assert (session["reason"], session["user_id"]) == ("caller_left", "ana")
    moments = [session["timeline"][moment] for moment in MOMENTS]
    assert moments == sorted(moments)
    usage = session["usage"]
    assert usage["turns"] == 2
    assert usage["tool_calls"] == {
        "search_products": {"ok": 1, "error": 0},
        "save_product": {"ok": 1, "error": 0},
    }
    [tokens] = usage["models"].values()
    assert tokens["input_audio_tokens"] > 0
    assert tokens["output_audio_tokens"] > 0

    log = (await controller.get(f"/v1/sessions/{session_id}/logs")).text
    assert "call ending" in log
    assert "is deprecated since" not in log, "a later Pipecat removes something that is used"

    kept = (await store.get("/sandbox/saved", params={"userId": "ana"})).json()
    assert [product["number"] for product in kept["products"]] == [2]
    saved = (await store.get("/sandbox/transcripts", params={"sessionId": session_id})).json()
    assert {turn["role"] for turn in saved["turns"]} == {"user", "assistant"}


async def test_typed_words_are_answered_aloud_and_goodbye_ends_the_call(
    controller_url: str, controller: httpx.AsyncClient, voice: Voice
) -> None:
    async with calling(controller_url, voice, user_id="bo") as (caller, session_id):
        assert session_id is not None
        await caller.hears_bot()
        await caller.bot_quiet()
        caller.write("goodbye for now")
        goodbye = await caller.message(lambda message: message.is_server_message("call_ended"))
        await caller.bot_leaves()

    session = await eventually(lambda: ended_session(controller, session_id), "the session's end")
    assert session["reason"] == goodbye.data["reason"] == "completed"
    assert session["caller_message"] == goodbye.data["message"]
