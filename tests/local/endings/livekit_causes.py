"""What brings a call in a LiveKit room to its end, or fails to: see tests/local/endings/causes.py."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np

from sandbox.caller import Caller, calling
from sandbox.caller_audio import RATE, Ear
from sandbox.caller_livekit import LiveKitLine
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.callers.livekit_guest import guest
from testing.processes import eventually, launch_of
from testing.servers.livekit import LiveKitServer
from tests.local.endings.scene import Scene, finds_products

MOST_GROWTH_MB = 16


def _server(scene: Scene) -> LiveKitServer:
    assert scene.site.livekit is not None
    return scene.site.livekit


async def _name(scene: Scene) -> str:
    """The session's room; another may be there that a caller who was put out has brought back."""
    launch_id = launch_of(await scene.bot())

    async def found() -> str | None:
        rooms = await _server(scene).rooms()
        return next((room for room in rooms if room.endswith(launch_id)), None)

    return await eventually(found, "the session's room")


@contextlib.asynccontextmanager
async def _callers_process(scene: Scene, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The caller as a process that can be killed, in the session that was started."""
    assert scene.room.token is not None
    async with guest(scene.room.url, scene.room.token, *options) as process:
        yield process


def _line(caller: Caller) -> LiveKitLine:
    assert isinstance(caller.line, LiveKitLine)
    return caller.line


async def _is_heard(caller: Caller) -> None:
    """Ask aloud, and wait for the answer."""
    await caller.bot_quiet()
    await caller.say("find running shoes")
    await caller.message(lambda message: message.is_server_message("products_found"))
    await caller.bot_says("I found")


async def _goes_on(caller: Caller) -> None:
    """Two questions are answered, also when the return grace is over, and nobody is greeted again."""
    await finds_products(caller)
    await asyncio.sleep(4)
    await finds_products(caller)
    assert sum("shopping assistant" in said for said in caller.bot_turns()) <= 1, caller.bot_turns()


async def caller_is_killed(scene: Scene) -> None:
    await scene.start()
    async with _callers_process(scene) as process:
        await scene.reaches("first_speech")
        process.kill()
        scene.it_happens()


async def caller_is_killed_and_back_at_once(scene: Scene) -> None:
    """LiveKit has not missed them yet: the second connection replaces the first."""
    await scene.start()
    async with _callers_process(scene) as process:
        await scene.reaches("first_speech")
        process.kill()
        async with scene.joined() as caller:
            await _goes_on(caller)
            scene.it_happens()


async def caller_is_killed_and_back_when_missed(scene: Scene) -> None:
    await scene.start()
    async with _callers_process(scene) as process:
        await scene.reaches("first_speech")
        process.kill()
        room = await _name(scene)

        async def is_missed() -> bool:
            return "caller" not in await _server(scene).participants(room)

        await eventually(is_missed, "the loss", within=40)
        async with scene.joined() as caller:
            await _goes_on(caller)
            scene.it_happens()


async def caller_has_no_microphone(scene: Scene) -> None:
    """They are there as soon as LiveKit says so, three seconds later than others, and are spoken to."""
    await scene.start()
    async with _callers_process(scene, "--silent"):
        await scene.reaches("first_speech")
        scene.it_happens()
        await scene.delete()


async def caller_joins_twice(scene: Scene) -> None:
    """Another tab with the same token: the first is put out, and the call goes on in the second."""
    await scene.start()
    async with _callers_process(scene):
        await scene.reaches("first_speech")
        async with scene.joined() as caller:
            await _goes_on(caller)
            scene.it_happens()


async def two_callers(scene: Scene) -> None:
    """In a room of one's own others may come: they are not heard, and their leaving ends nothing."""
    server, name = _server(scene), f"web-{scene.user_id}"
    await server.make_room(name)
    await scene.start(room={"url": server.url, "token": server.token(name, "our-bot", kind="agent")})
    room = RoomAddress(server.url, server.token(name, "first"), "livekit")
    async with calling("", scene.site.voice, room=room) as (caller, _):
        await caller.hears_bot()
        await _speaks("find running shoes", server.url, server.token(name, "second"), scene.site.voice)
        assert not any(message.is_server_message("products_found") for message in caller.messages)
        await _goes_on(caller)
        scene.it_happens()
    await scene.ended(within=10)
    await server.delete_room(name)


async def _speaks(words: str, url: str, token: str, voice: Voice) -> None:
    """Join, say something in voice and in writing, and leave again."""
    line = LiveKitLine(np.random.default_rng(1), Ear(_nothing), _nothing, _nothing)
    async with aiohttp.ClientSession() as http:
        await line.open(http, RoomAddress(url, token, "livekit"), _nothing)
    typed = {"content": words, "options": {"run_immediately": True, "audio_response": True}}
    line.send(json.dumps({"label": "rtvi-ai", "type": "send-text", "id": "1", "data": typed}))
    await line.mouth.say(await asyncio.to_thread(voice.say, words, RATE))
    # As long as an answer would take.
    await asyncio.sleep(2)
    await line.close()


def _nothing(*_: object) -> None:
    """What comes of the bot is of no interest."""


async def bot_is_there_before_the_caller(scene: Scene) -> None:
    await scene.start()
    await scene.reaches("joined")
    async with scene.joined() as caller:
        await caller.hears_bot()
        await _is_heard(caller)
        scene.it_happens()


async def microphone_is_republished(scene: Scene) -> None:
    """Republish twenty times, every second time with a moment in which there are two tracks."""
    async with scene.call() as caller:
        bot = await scene.bot()
        before = _memory(bot)
        for number in range(20):
            await _line(caller).republish(is_overlapping=number % 2 == 1)
        grown = _memory(bot) - before
        assert grown < MOST_GROWTH_MB, grown
        await _is_heard(caller)
        scene.it_happens()


def _memory(process: int) -> float:
    """Return a process's resident memory, in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def caller_can_not_be_heard_for_a_while(scene: Scene) -> None:
    async with scene.call() as caller:
        _line(caller).let_be_heard(is_allowed=False)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_line(caller).republish())

            async def is_missed() -> bool:
                return "caller's track not received, requested again" in await scene.log()

            await eventually(is_missed, "the bot's request for the track")
            _line(caller).let_be_heard(is_allowed=True)
        await _is_heard(caller)
        scene.it_happens()


async def caller_can_not_be_heard_any_more(scene: Scene) -> None:
    async with scene.call() as caller:
        _line(caller).let_be_heard(is_allowed=False)
        scene.it_happens()
        await scene.ended(within=20)


async def caller_is_put_out(scene: Scene) -> None:
    async with scene.call():
        await _server(scene).remove(await _name(scene), "caller")
        scene.it_happens()
        await scene.ended(within=10)


async def caller_is_put_out_and_returns(scene: Scene) -> None:
    """Return with another token, as a web app does when a connection is refused."""
    request = {"session_id": f"{scene.user_id}-1"}
    await scene.start(**request)
    async with _callers_process(scene):
        await scene.reaches("first_speech")
        await _server(scene).remove(await _name(scene), "caller")
        await scene.start(**request)
        async with scene.joined() as caller:
            await _is_heard(caller)
            # Nobody waits for them any more.
            await finds_products(caller)
            scene.it_happens()


async def room_is_deleted(scene: Scene) -> None:
    async with scene.call():
        await _server(scene).delete_room(await _name(scene))
        scene.it_happens()


async def bot_is_put_out(scene: Scene) -> None:
    async with scene.call():
        await _server(scene).remove(await _name(scene), "bot")
        scene.it_happens()


async def bot_joins_twice(scene: Scene) -> None:
    server = _server(scene)
    async with scene.call():
        name = await _name(scene)
        async with guest(server.url, server.token(name, "bot", kind="agent"), "--silent"):
            scene.it_happens()
            await scene.ended(within=10)
    if name in await server.rooms():
        # The other one had not quite joined when the room was deleted, and has brought it back.
        await server.delete_room(name)


async def bot_is_made_mute(scene: Scene) -> None:
    async with scene.call():
        await _server(scene).forbid_publishing(await _name(scene), "bot")
        scene.it_happens()


async def server_is_killed(scene: Scene) -> None:
    """The caller gives up as well before it is back: whoever came back then would bring the room along."""
    try:
        async with scene.call():
            await asyncio.to_thread(_server(scene).kill)
            scene.it_happens()
            await scene.ended(within=20)
    finally:
        await asyncio.to_thread(_server(scene).start)


async def server_is_killed_and_back(scene: Scene) -> None:
    """Within ten seconds: bot and caller find each other again, in a room made anew."""
    async with scene.call() as caller:
        await caller.bot_quiet()
        await asyncio.to_thread(_server(scene).kill)
        await asyncio.sleep(2)
        await asyncio.to_thread(_server(scene).start)
        room = await _name(scene)

        async def are_back() -> bool:
            return set(await _server(scene).participants(room)) == {"bot", "caller"}

        await eventually(are_back, "both")
        await _goes_on(caller)
        scene.it_happens()


async def room_is_gone_before_the_bot_is_there(scene: Scene) -> None:
    await scene.start()
    await _server(scene).delete_room(await _name(scene))
    scene.it_happens()
