"""What brings a call to its end, or fails to: a coroutine for each cause, which returns when it happened."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection

from sandbox.caller import Caller
from sandbox.caller_signalling import CallFailedError, connect
from testing.processes import eventually
from tests.local.endings.scene import Scene, finds_products

Cause = Callable[[Scene], Awaitable[None]]

GREETING = "What are you looking for today?"
FAREWELL = "Thank you for calling."
SHOP_IS_AWAY = "The shop is not answering right now."


# --- The caller ---


async def caller_closes(scene: Scene) -> None:
    async with scene.call():
        scene.it_happens()


async def tab_is_killed(scene: Scene) -> None:
    async with scene.call() as caller:
        await caller.lose_connection()
        scene.it_happens()


async def caller_comes_back_at_once(scene: Scene) -> None:
    async with scene.call() as caller:
        await caller.lose_connection()
        await _comes_back(caller)
        scene.it_happens()


async def caller_comes_back_after_the_loss_was_noticed(scene: Scene) -> None:
    async with scene.call() as caller:
        await caller.lose_connection()
        await asyncio.sleep(4.5)
        await _comes_back(caller)
        scene.it_happens()


async def _comes_back(caller: Caller) -> None:
    """The call goes on, also when the return grace is over, and nobody is greeted again."""
    await caller.come_back()
    await finds_products(caller)
    await asyncio.sleep(4)
    await finds_products(caller)
    assert sum("shopping assistant" in said for said in caller.bot_turns()) <= 1, caller.bot_turns()


async def nobody_comes(scene: Scene) -> None:
    await scene.start()
    await scene.reaches("joined")
    scene.it_happens()


async def nobody_says_anything(scene: Scene) -> None:
    async with scene.call() as caller:
        scene.it_happens()
        await _is_told(caller, "idle")


async def microphone_is_silent(scene: Scene) -> None:
    async with scene.call() as caller:
        caller.mute()
        scene.it_happens()
        await _is_told(caller, "idle")


async def offer_has_no_audio(scene: Scene) -> None:
    await scene.start()
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.createDataChannel("chat")
    await scene.reaches("joined")
    scene.it_happens()
    try:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(CallFailedError, match=r"answered with 409.*microphone's track is missing"):
                await connect(http, scene.room, connection)
    finally:
        await connection.close()


# --- The bot and its time ---


async def time_is_up(scene: Scene) -> None:
    async with scene.call(max_duration_seconds=16) as caller:
        await caller.bot_says("We have about 4 seconds left.")
        scene.it_happens()
        await caller.bot_says(FAREWELL)
        await _is_told(caller, "max_duration")


async def budget_is_spent(scene: Scene) -> None:
    """The greeting costs less, and the first answer more."""
    async with scene.call(budget={"tokens": 700}) as caller:
        await caller.bot_quiet()
        caller.write("find pianos")
        await caller.bot_says("I found")
        scene.it_happens()
        await caller.bot_says(FAREWELL)
        await _is_told(caller, "budget_spent")


async def caller_says_goodbye(scene: Scene) -> None:
    async with scene.call() as caller:
        caller.write("goodbye for now")
        scene.it_happens()
        await caller.bot_says("Goodbye!")
        await _is_told(caller, "completed")


# --- Who stops it ---


async def deleted_at_once(scene: Scene) -> None:
    await scene.start()
    await _delete(scene)


async def deleted_twice_while_it_starts(scene: Scene) -> None:
    await scene.start()
    await scene.bot()
    await _delete(scene)
    assert (await scene.delete())[0] in (202, 200)


async def deleted_before_the_start_is_answered(scene: Scene) -> None:
    scene.session_id = scene.user_id

    async def deleted() -> bool | None:
        return (await scene.delete())[0] == 202 or None

    await asyncio.gather(scene.start(session_id=scene.user_id), eventually(deleted, "the session"))
    scene.it_happens()


async def deleted_while_nobody_is_there(scene: Scene) -> None:
    await scene.start()
    await scene.reaches("joined")
    await _delete(scene)


async def deleted_twice_in_the_call(scene: Scene) -> None:
    async with scene.call() as caller:
        await _delete(scene)
        await _delete(scene)
        await caller.bot_says(FAREWELL)
        await _is_told(caller, "stopped")
        await scene.ended(within=10)
    status, session = await scene.delete()
    assert (status, session["reason"]) == (200, "stopped")


async def _delete(scene: Scene) -> None:
    status, session = await scene.delete()
    assert (status, session["phase"]) == (202, "stopping")
    scene.it_happens()


async def terminated_in_a_sentence(scene: Scene) -> None:
    """What the bot is saying is said to its end, then goodbye."""
    async with scene.call() as caller:
        await asyncio.sleep(0.5)
        await scene.signal_bot(signal.SIGTERM)
        scene.it_happens()
        await caller.bot_says(GREETING)
        await caller.bot_says(FAREWELL)
        await caller.bot_leaves()
        heard = sum(sound.seconds for sound in caller.ear.stretches)
        assert heard > 4, f"greeting and goodbye were heard for {heard:.1f} s only"


async def killed(scene: Scene) -> None:
    async with scene.call():
        await scene.signal_bot(signal.SIGKILL)
        scene.it_happens()
        await scene.ended(within=5)


async def frozen(scene: Scene) -> None:
    async with scene.call():
        await scene.signal_bot(signal.SIGSTOP)
        scene.it_happens()
        await scene.ended(within=30)


async def frozen_while_it_starts(scene: Scene) -> None:
    await scene.start()
    await scene.signal_bot(signal.SIGSTOP)
    scene.it_happens()


# --- What breaks ---


async def persona_is_broken(scene: Scene) -> None:
    await scene.start(persona="mute")


async def breaks_at_its_start(scene: Scene) -> None:
    """The fault of this name comes about by itself: tests/local/faults."""
    await scene.start()


async def breaks_when_asked(scene: Scene) -> None:
    async with scene.call() as caller:
        caller.write("find running shoes")
        scene.it_happens()
        await scene.ended(within=30)


async def tool_crashes(scene: Scene) -> None:
    async with scene.call() as caller:
        caller.write("find running shoes")
        await caller.bot_says("Something went wrong on my side.")
        await _saves_a_product(caller)
        scene.it_happens()


async def _saves_a_product(caller: Caller) -> None:
    caller.write("save product two")
    await caller.message(lambda message: message.is_server_message("product_saved"))
    await caller.bot_says("Saved number 2")


async def _is_told(caller: Caller, reason: str) -> None:
    """The page hears why the call ends, from the bot, which then leaves."""
    ended = await caller.message(lambda message: message.is_server_message("call_ended"), within=30)
    assert ended.data["reason"] == reason
    assert ended.data["message"].endswith(".")
    await caller.bot_leaves()


# --- The model ---


def model_gets_wrong(name: str, **parameters: Any) -> Cause:
    """The model turns the bot away as soon as its caller has offered, which is when it connects."""

    async def cause(scene: Scene) -> None:
        await scene.site.misbehave("model", name, **parameters)
        await scene.start()
        async with asyncio.TaskGroup() as tasks:
            joining = tasks.create_task(_joins_in_vain(scene))
            await scene.ended(within=20)
            # Who is not connected yet when the bot leaves would wait for as long as a bot may take to come.
            joining.cancel()

    return cause


async def _joins_in_vain(scene: Scene) -> None:
    with contextlib.suppress(CallFailedError):
        async with scene.joined() as caller:
            await caller.bot_leaves()


async def model_s_quota_is_used_up(scene: Scene) -> None:
    """And the controller learns of it from the bot: it admits fewer sessions of this key for a while."""
    await model_gets_wrong("refuse_quota", times=3)(scene)

    async def is_lowered() -> bool:
        metrics = (await scene.site.controller.get("/metrics")).text
        return 'podline_limit_lowered{limit="model_key",name="shopping"} 1.0' in metrics

    await eventually(is_lowered, "a lowered limit of the model key")


def call_survives(name: str, **parameters: Any) -> Cause:
    """The model gets this wrong, and the call goes on: two questions are answered, and no second greeting."""

    async def cause(scene: Scene) -> None:
        await scene.site.misbehave("model", name, **parameters)
        async with scene.call() as caller:
            await finds_products(caller)
            await caller.bot_quiet()
            await finds_products(caller)
            assert sum("shopping assistant" in said for said in caller.bot_turns()) <= 1, caller.bot_turns()
            scene.it_happens()

    return cause


async def model_hangs(scene: Scene) -> None:
    await scene.site.misbehave("model", "accept_and_hang")
    await scene.start()
    async with scene.joined() as caller:
        await _is_told(caller, "model_unreachable")


async def model_is_gone_again_and_again(scene: Scene) -> None:
    await scene.site.misbehave("model", "drop", after="audio")
    await scene.site.misbehave("model", "drop", after="setup", times=10)
    await scene.start()
    async with scene.joined() as caller:
        scene.it_happens()
        await caller.bot_leaves(within=40)


async def model_drops_and_has_forgotten(scene: Scene) -> None:
    """A session that can't be resumed receives what was said before."""
    await scene.site.misbehave("model", "no_resumption_handles", times=2)
    await call_survives("drop", after="audio")(scene)
    sessions = (await scene.site.control.get("/sandbox/model")).json()["sessions"]
    assert (sessions[-1]["resumed"], sessions[-1]["history_turns"] > 0) == (False, True)


async def model_falls_silent(scene: Scene) -> None:
    await scene.site.misbehave("model", "stall", after="audio")
    await scene.site.misbehave("model", "stall", after="setup", times=10)
    await scene.start()
    async with scene.joined() as caller:
        scene.it_happens()
        await _is_told(caller, "model_lost")


async def model_drops_after_a_tool_call(scene: Scene) -> None:
    """The tool's result goes to the next connection, and is spoken."""
    await scene.site.misbehave("model", "drop", after="tool_call")
    async with scene.call() as caller:
        await finds_products(caller)
        scene.it_happens()
    outcomes = [
        response["outcome"]
        for session in (await scene.site.control.get("/sandbox/model")).json()["sessions"]
        for response in session["tool_responses"]
    ]
    assert outcomes[-1] == "answered", outcomes


async def model_cancels_a_tool_call(scene: Scene) -> None:
    await scene.site.misbehave("model", "tool_call_cancellation")
    async with scene.call() as caller:
        caller.write("find running shoes")
        await asyncio.sleep(1)
        await finds_products(caller)
        scene.it_happens()


async def model_means_no_product(scene: Scene) -> None:
    await scene.site.misbehave("model", "wrong_tool_arguments", arguments={"productNumber": {"of": "shoes"}})
    async with scene.call() as caller:
        caller.write("save product two")
        await caller.bot_says("Which product number do you mean?")
        await _saves_a_product(caller)
        scene.it_happens()


async def model_calls_a_tool_that_is_none(scene: Scene) -> None:
    await scene.site.misbehave("model", "unknown_tool")
    async with scene.call() as caller:
        caller.write("find running shoes")
        await asyncio.sleep(1)
        await finds_products(caller)
        scene.it_happens()


async def model_tells_usage_apart(scene: Scene) -> None:
    """Every token that was reported is counted, once."""
    await scene.site.misbehave("model", "usage_apart")
    async with scene.call() as caller:
        await caller.bot_quiet()
        await finds_products(caller)
        await caller.bot_quiet()
        scene.it_happens()
    session = await scene.ended(within=10)
    sent = (await scene.site.control.get("/sandbox/model")).json()["sessions"][-1]["tokens"]
    [counted] = session["usage"]["models"].values()
    assert counted["prompt_tokens"] == sent["prompt_text"] + sent["prompt_audio"]
    assert counted["input_audio_tokens"] == sent["prompt_audio"]
    assert counted["completion_tokens"] == counted["output_audio_tokens"] == sent["response_audio"]


# --- The shop ---


def shop_gets_wrong(name: str, **parameters: Any) -> Cause:
    """A search fails, the caller hears so, and the next one is served."""

    async def cause(scene: Scene) -> None:
        async with scene.call() as caller:
            await scene.site.misbehave("store", name, path="/searchProductsByVoice", times=None, **parameters)
            caller.write("find running shoes")
            await caller.bot_says(SHOP_IS_AWAY)
            await scene.site.behave()
            await finds_products(caller)
            scene.it_happens()

    return cause


async def shop_is_slow(scene: Scene) -> None:
    async with scene.call() as caller:
        await scene.site.misbehave("store", "slow", seconds=3)
        await finds_products(caller)
        scene.it_happens()


# --- The controller ---


async def controller_is_away(scene: Scene) -> None:
    """For 20 s nobody takes a report; the call goes on, and all of it is counted."""
    async with scene.call() as caller:
        scene.site.freeze_controller()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(asyncio.sleep(20))
                await finds_products(caller)
                await caller.bot_quiet()
                await finds_products(caller)
        finally:
            scene.site.thaw_controller()
        await _saves_a_product(caller)
        scene.it_happens()
    await _all_is_counted(scene)


async def channel_is_cut_for_a_while(scene: Scene) -> None:
    async with scene.call() as caller:
        scene.site.gate.shut()
        await finds_products(caller)
        scene.site.gate.open()
        await finds_products(caller)
        await _saves_a_product(caller)
        scene.it_happens()
    await _all_is_counted(scene)


async def _all_is_counted(scene: Scene) -> None:
    session = await scene.ended(within=10)
    assert session["usage"]["turns"] == 3
    assert session["usage"]["tool_calls"] == {
        "search_products": {"ok": 2, "error": 0},
        "save_product": {"ok": 1, "error": 0},
    }
    assert session["usage"]["partial"] is False


async def channel_is_cut_for_good(scene: Scene) -> None:
    """The controller gives the bot up; what the bot did is known from its final report."""
    try:
        async with scene.call() as caller:
            scene.site.gate.shut()
            scene.it_happens()
            await finds_products(caller)
            session = await scene.ended(within=30)
        assert session["usage"]["tool_calls"] == {"search_products": {"ok": 1, "error": 0}}
        assert session["usage"]["partial"] is False
    finally:
        scene.site.gate.open()
