"""The least that runs a Pipecat bot, for the benchmark to compare with: a server of offers, and nothing else.

`python -m scripts.benchmarks.calls.host BOT_FILE PORT` answers `/start` and offers as Pipecat's runner does.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from aiohttp import web
from pipecat.runner.types import RunnerArguments, SmallWebRTCRunnerArguments
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

Bot = Callable[[RunnerArguments], Coroutine[Any, Any, None]]


def load(bot_file: Path) -> Bot:
    spec = importlib.util.spec_from_file_location("bench_bot", bot_file)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it is a Python file
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bot: Bot = module.bot
    return bot


async def serve(bot: Bot, port: int) -> None:
    async with asyncio.TaskGroup() as calls:

        async def start(_request: web.Request) -> web.Response:
            return web.json_response({"sessionId": str(uuid.uuid4())})

        async def offer(request: web.Request) -> web.Response:
            wanted: dict[str, Any] = await request.json()
            connection = SmallWebRTCConnection()
            await connection.initialize(wanted["sdp"], wanted["type"])
            calls.create_task(bot(SmallWebRTCRunnerArguments(webrtc_connection=connection)))
            return web.json_response(connection.get_answer())

        async def status(_request: web.Request) -> web.Response:
            return web.json_response({"status": "ready"})

        app = web.Application()
        app.router.add_get("/status", status)
        app.router.add_post("/start", start)
        app.router.add_post("/sessions/{session_id}/api/offer", offer)
        server = web.AppRunner(app)
        await server.setup()
        await web.TCPSite(server, "127.0.0.1", port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(load(Path(sys.argv[1])), int(sys.argv[2])))
