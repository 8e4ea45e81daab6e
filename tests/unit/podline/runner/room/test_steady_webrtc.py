"""SmallWebRTC on a clock that never jumps, while the wall clock does."""

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aioice import turn
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from av import AudioFrame
from pipecat.frames.frames import OutputImageRawFrame
from pipecat.transports.smallwebrtc.transport import RawVideoTrack
from pyee.asyncio import AsyncIOEventEmitter

from podline.runner.room.guarded_connection import GuardedConnection
from podline.runner.room.steady_webrtc import (
    MAX_VIDEO_FRAMES,
    SteadyAudioTrack,
    SteadyMicrophone,
    keep_latest,
    keep_steady_time,
)
from testing.callers.client_messages import unhurried_messages

RATE = 24_000
PIECE_SECONDS = 0.01
STEPS = (-3600.0, -12.0, -5.0, 5.0, 3600.0)
PATIENCE_SECONDS = 4
"""Less than the smallest step back, and thousands of times what anything here takes."""


class FakeTime:
    """A clock that only sleep and tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class WallClock:
    """Replaces the wall clock of this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        right = time.time
        self.wrong_by = 0.0
        monkeypatch.setattr(time, "time", lambda: right() + self.wrong_by)


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


@pytest.fixture
def wall_clock(monkeypatch: pytest.MonkeyPatch) -> WallClock:
    return WallClock(monkeypatch)


async def send(track: SteadyAudioTrack, pieces: int) -> list[AudioFrame]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [await track.recv() for _ in range(pieces)]


def track_on(clock: FakeTime) -> SteadyAudioTrack:
    return SteadyAudioTrack(RATE, auto_silence=True, clock=clock, sleep=clock.sleep)


@pytest.mark.parametrize("seconds", STEPS)
async def test_audio_is_sent_in_real_time_when_the_wall_clock_is_set(
    clock: FakeTime, wall_clock: WallClock, seconds: float
) -> None:
    track, began = track_on(clock), clock.now
    spoken = track.add_audio_bytes(b"\1\0" * RATE)

    frames = await send(track, 50)
    wall_clock.wrong_by = seconds
    frames += await send(track, 50)

    assert spoken.done()
    assert all(frame.to_ndarray().all() for frame in frames)
    assert [frame.pts for frame in frames] == [number * RATE // 100 for number in range(100)]
    assert clock.now - began == pytest.approx(99 * PIECE_SECONDS)


async def test_nobody_waits_for_audio_whose_connection_is_gone(clock: FakeTime) -> None:
    track = track_on(clock)
    before = track.add_audio_bytes(bytes(4 * 480))
    await track.recv()
    assert not before.done()
    track.stop()
    after = track.add_audio_bytes(bytes(4 * 480))

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(before, after)


async def test_audio_makes_up_for_a_short_stall(clock: FakeTime) -> None:
    track, began = track_on(clock), clock.now
    await send(track, 10)

    clock.now += 0.3
    await send(track, 90)

    assert clock.now - began == pytest.approx(99 * PIECE_SECONDS)


async def test_audio_is_not_sent_in_a_burst_after_a_long_stall(clock: FakeTime) -> None:
    track = track_on(clock)
    await send(track, 10)

    clock.now += 60.0
    since = clock.now
    await send(track, 100)

    assert clock.now - since == pytest.approx(99 * PIECE_SECONDS)


class Channel(AsyncIOEventEmitter):
    """The end of a data channel that a client has opened."""

    readyState = "open"  # noqa: N815 - aiortc's name

    def send(self, text: str) -> None: ...


@pytest.mark.parametrize("seconds", STEPS)
async def test_a_caller_is_connected_for_three_seconds_after_a_ping(
    clock: FakeTime, wall_clock: WallClock, seconds: float
) -> None:
    connection = GuardedConnection(unhurried_messages(), [], clock=clock)
    await connection.connect()  # type: ignore[no-untyped-call]
    channel = Channel()
    connection.pc.emit("datachannel", channel)
    assert not connection.is_connected()

    channel.emit("message", "ping: 1")
    await channel.wait_for_complete()
    wall_clock.wrong_by = seconds
    clock.now += 2.9
    assert connection.is_connected()

    clock.now += 0.2
    assert not connection.is_connected()

    channel.emit("message", "ping: 2")
    await channel.wait_for_complete()
    assert connection.is_connected()
    await connection.disconnect()  # type: ignore[no-untyped-call]


async def test_a_microphone_that_is_read_stays_on_when_the_wall_clock_is_set(
    clock: FakeTime, wall_clock: WallClock
) -> None:
    microphone, receiver, looked = await read_microphone(clock)

    wall_clock.wrong_by = 3600.0
    await looked()
    assert receiver._enabled

    microphone.stop()  # type: ignore[no-untyped-call]


async def test_a_microphone_that_nobody_reads_is_turned_off_and_emptied(
    clock: FakeTime, wall_clock: WallClock
) -> None:
    _, receiver, looked = await read_microphone(clock)
    receiver.track._queue.put_nowait(AudioFrame())

    wall_clock.wrong_by = -3600.0
    clock.now += 2.0
    await looked()

    assert not receiver._enabled
    assert receiver.track._queue.empty()


async def read_microphone(clock: FakeTime) -> tuple[SteadyMicrophone, Any, Any]:
    """Return a microphone that was read once, its receiver, and a wait for its watcher to look."""
    looks = asyncio.Semaphore(0)

    def watched_clock() -> float:
        looks.release()
        return clock()

    async def looked() -> None:
        """Wait until a look that begins now is over."""
        while not looks.locked():
            await looks.acquire()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await looks.acquire()
        await asyncio.sleep(0)

    receiver = SimpleNamespace(_enabled=False, track=RemoteStreamTrack(kind="audio"))
    receiver.track._queue.put_nowait(AudioFrame())
    microphone = SteadyMicrophone(receiver, clock=watched_clock)
    microphone._idle_timeout = 0.001
    assert isinstance(await microphone.recv(), AudioFrame)
    return microphone, receiver, looked


class Relay(turn.TurnClientUdpProtocol):
    """A client of a TURN server whose channels are due for renewal at once."""

    def __init__(self) -> None:
        super().__init__(("192.0.2.1", 3478), "ana", "secret", lifetime=600, channel_refresh_time=-1)
        self.bound: list[int] = []

    async def channel_bind(self, channel_number: int, addr: tuple[str, int]) -> None:  # noqa: ARG002 - aioice's
        self.bound.append(channel_number)

    def _send(self, data: bytes) -> None: ...


async def test_a_relays_channel_is_renewed_in_time_when_the_wall_clock_is_set_back(
    wall_clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "time", time)
    keep_steady_time()
    relay = Relay()
    await relay.send_data(b"speech", ("192.0.2.2", 9))

    wall_clock.wrong_by = -3600.0
    await relay.send_data(b"speech", ("192.0.2.2", 9))

    assert len(relay.bound) == 2


async def test_video_that_the_caller_does_not_take_fills_no_memory() -> None:
    video = RawVideoTrack(width=1, height=1)
    keep_latest(video)

    for number in range(100):
        video.add_video_frame(OutputImageRawFrame(image=bytes([number] * 3), size=(1, 1), format="RGB"))

    assert (await video.recv()).to_ndarray(format="rgb24")[0, 0, 0] == 100 - MAX_VIDEO_FRAMES
