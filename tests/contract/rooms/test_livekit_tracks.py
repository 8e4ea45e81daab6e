"""What the bot's client makes of a caller's tracks in a room of a real LiveKit server."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import numpy as np
from livekit import rtc
from pipecat.clocks.system_clock import SystemClock
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.transports.livekit.transport import LiveKitParams
from pipecat.utils.asyncio.task_manager import TaskManager

from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.livekit import LiveKitCallerTransport, _LiveKitCallClient
from podline.runner.settings import LiveKitRoomAccess
from sandbox.caller_audio import Ear
from sandbox.caller_livekit import LiveKitLine
from sandbox.caller_signalling import RoomAddress
from testing.callers.client_messages import unhurried_messages
from testing.servers.livekit import LiveKitServer, livekit_server
from tests.unit.podline.runner.room.test_daily import Observed

ROOM = "ours"
FRAMES = 15
"""Of ten milliseconds each."""


@asynccontextmanager
async def bot_in(server: LiveKitServer) -> AsyncIterator[_LiveKitCallClient]:
    """Put the bot's client into the room, without a pipeline."""
    access = LiveKitRoomAccess(server.url, server.token(ROOM, "bot", kind="agent"))
    transport = LiveKitCallerTransport(
        access,
        CallerMeeting(Observed(), unhurried_messages()),
        access.url,
        access.token,
        ROOM,
        LiveKitParams(audio_in_enabled=True, audio_out_enabled=True),
    )
    client = transport._client
    assert isinstance(client, _LiveKitCallClient)
    without_pipeline = cast("PipelineWorker", None)
    await client.setup(FrameProcessorSetup(SystemClock(), TaskManager(), without_pipeline))
    await client.connect()
    try:
        yield client
    finally:
        await client.disconnect()


@asynccontextmanager
async def caller_in(server: LiveKitServer) -> AsyncIterator[LiveKitLine]:
    line = LiveKitLine(np.random.default_rng(1), Ear(_nothing), _nothing, _nothing)
    async with aiohttp.ClientSession() as http:
        await line.open(http, RoomAddress(server.url, server.token(ROOM, "caller"), "livekit"), _nothing)
    try:
        yield line
    finally:
        await line.close()


def _nothing(*_: object) -> None:
    """Do nothing: nobody listens to the bot."""


async def hears(client: _LiveKitCallClient) -> None:
    """Return once more frames of the caller's have arrived than may have been on their way."""
    while not client._audio_queue.empty():
        client._audio_queue.get_nowait()
    async with asyncio.timeout(10):
        for _ in range(FRAMES):
            _, identity = await client._audio_queue.get()
            assert identity == "caller"


def open_streams() -> int:
    """Return the number of audio streams in this process, of bot and caller."""
    gc.collect()
    return sum(isinstance(each, rtc.AudioStream) for each in gc.get_objects())


async def test_a_microphone_that_is_published_again_is_heard_through_one_stream(tmp_path: Path) -> None:
    with livekit_server(tmp_path, lambda _: None) as server:
        async with bot_in(server) as client, caller_in(server) as caller:
            await hears(client)
            gone = asyncio.Event()
            client.room.on("track_unpublished", gone.set)
            # Nobody requests again what is not received.
            client._call._reception.stop()
            streams = open_streams()
            for number in range(20):
                gone.clear()
                await caller.republish(is_overlapping=number % 2 == 1)
                await gone.wait()
                await hears(client)

            assert len(client._audio_streams) == 1
            assert open_streams() == streams
