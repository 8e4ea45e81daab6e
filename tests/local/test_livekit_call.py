"""Spoken calls in rooms of a real LiveKit server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from playwright.async_api import expect

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.callers.browsing import opened
from testing.callers.errands import ERRANDS, runs_errand, says_until
from testing.processes import Sandbox, ended_session, eventually
from testing.servers.livekit import LiveKitServer
from tests.local.conftest import PROGRAMS, serving


@pytest.fixture(scope="module")
def livekit_controller(
    sandbox: Sandbox,
    livekit: LiveKitServer,
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> Iterator[str]:
    """A controller whose callers meet their bots in rooms of that server."""
    directory = tmp_path_factory.mktemp("livekit-controller")
    with serving(sandbox, directory, pytestconfig.stash[PROGRAMS], livekit.variables) as url:
        yield url


async def test_a_caller_in_a_room_is_greeted_finds_saves_and_hangs_up(
    livekit_controller: str, livekit: LiveKitServer, store: httpx.AsyncClient, voice: Voice
) -> None:
    async with httpx.AsyncClient(base_url=livekit_controller) as controller:
        started = (await controller.post("/v1/sessions", json={"user_id": "lea"})).raise_for_status().json()
        room = started["room"]
        assert (room["provider"], room["url"]) == ("livekit", livekit.url)
        assert len(await livekit.rooms()) == 1

        async with calling("", voice, room=RoomAddress(**room)) as (caller, _):
            await caller.hears_bot()
            await caller.bot_quiet()
            asked = await caller.say("find running shoes under one hundred dollars")
            found = await caller.message(lambda message: message.is_server_message("products_found"))
            assert await caller.hears_bot() > asked
            await caller.bot_quiet()
            assert found.data["query"] == "running shoes"
            await says_until(caller, "save product two", "product_saved")
            assert "I found" in " ".join(caller.bot_turns())
            assert all(message.type != "error" for message in caller.messages)

        session = await eventually(lambda: ended_session(controller, started["id"]), "the end", within=6)
    assert (session["reason"], session["message"]) == ("caller_left", "The caller left the call.")
    kept = (await store.get("/sandbox/saved", params={"userId": "lea"})).json()
    assert [product["number"] for product in kept["products"]] == [2]
    assert await eventually(livekit.is_empty, "the room's end")


async def test_calls_at_the_same_time_hear_nothing_of_each_other(
    livekit_controller: str, livekit: LiveKitServer, store: httpx.AsyncClient, voice: Voice
) -> None:
    """Each is answered and has saved what it asked for, and nothing else was searched for in its call."""
    sessions: dict[str, str] = {}

    async def call(user_id: str) -> None:
        async with calling(livekit_controller, voice, user_id=user_id) as (caller, session_id):
            assert session_id is not None
            sessions[user_id] = session_id
            await runs_errand(caller, ERRANDS[user_id])

    async with asyncio.TaskGroup() as tasks:
        for user_id in ERRANDS:
            tasks.create_task(call(user_id))

    async with httpx.AsyncClient(base_url=livekit_controller) as controller:
        for user_id, session_id in sessions.items():
            session = await eventually(partial(ended_session, controller, session_id), "the end")
            assert (session["user_id"], session["reason"]) == (user_id, "caller_left")
            kept = (await store.get("/sandbox/saved", params={"userId": user_id})).json()
            assert [product["number"] for product in kept["products"]] == [ERRANDS[user_id].number]
    assert await eventually(livekit.is_empty, "the rooms' end")


async def test_the_controllers_page_calls_in_a_room(
    livekit_controller: str, livekit: LiveKitServer, chromium: Path
) -> None:
    """LiveKit's own client, under the page's strict policy."""
    server = livekit.url.removeprefix("ws")
    async with opened(livekit_controller, chromium, partners=(f"ws{server}", f"http{server}")) as page:
        await page.get_by_role("button", name="Start talking").click()
        await expect(page.get_by_role("log")).to_contain_text("Hello", timeout=30_000)
        await page.get_by_label("Type to the bot").fill("find running shoes")
        await page.get_by_role("button", name="Send").click()
        save = page.frame_locator("iframe").get_by_role("button", name="Save Trail running shoes")
        await expect(save).to_be_visible(timeout=20_000)
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.locator("#ending")).to_contain_text("caller_left", timeout=20_000)
