"""Somebody in a LiveKit room, as a process of their own, since LiveKit's client dies only with its process.

`python -m testing.callers.livekit_guest URL TOKEN` joins, sends a microphone's noise, reports it, and stays
until killed. With `--silent` it reports as soon as it has joined, and sends no track.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import numpy as np
from livekit import rtc

from sandbox.caller_audio import NOISE
from testing.processes import ROOT

RATE = 48_000
JOINED = b"joined\n"


@contextlib.asynccontextmanager
async def guest(url: str, token: str, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Such a process, once it is in the room; killed at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "testing.callers.livekit_guest", url, token, *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == JOINED
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def stay(url: str, token: str, *, is_silent: bool) -> None:
    room = rtc.Room()
    await room.connect(url, token)
    source = rtc.AudioSource(RATE, 1, queue_size_ms=100)
    if not is_silent:
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        await room.local_participant.publish_track(track, options)
    sys.stdout.buffer.write(JOINED)
    sys.stdout.flush()
    random = np.random.default_rng(0)
    while True:
        noise = random.normal(0, NOISE, RATE // 100).astype(np.int16)
        await source.capture_frame(rtc.AudioFrame(noise.tobytes(), RATE, 1, noise.size))


if __name__ == "__main__":
    asyncio.run(stay(sys.argv[1], sys.argv[2], is_silent="--silent" in sys.argv[3:]))
