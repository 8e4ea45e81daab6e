"""A modified WebRTC client that calls one `Peer` directly, and the pipeline that it reaches."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from av import AudioFrame
from pipecat.frames.frames import Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.processors.frameworks.rtvi.models import Error, ErrorData
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from podline.errors import BotError
from podline.runner.attachment import keep_discreet, limit_hearing
from podline.runner.room.caller_meeting import CallerMeeting
from podline.runner.room.client_messages import ClientMessages
from podline.runner.room.hearing import Hearing
from podline.runner.room.webrtc import Peer, PeerTransport

PATIENCE_SECONDS = 20.0
RATE = 48_000
FRAME = 960


class Flood(MediaStreamTrack):
    """So many seconds of sound, as fast as they can be sent, and nothing after them."""

    kind = "audio"

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._left = int(seconds * RATE / FRAME)
        self._pts = 0
        self.is_sent = asyncio.Event()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(0)
        if self._left == 0:
            self.is_sent.set()
            await asyncio.get_running_loop().create_future()
        self._left -= 1
        samples = np.full((1, FRAME), 8_000, dtype=np.int16)
        frame = AudioFrame.from_ndarray(samples, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._pts, fractions.Fraction(1, RATE)
        self._pts += FRAME
        return frame


class Reached(FrameProcessor):
    """Keeps the frames that would reach a bot's model."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            self.frames.append(frame)
            self.changed.set()
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kinds)]


class Attacker:
    """The caller's side, and what it has reached."""

    def __init__(self, reached: Reached, hearing: Hearing, track: MediaStreamTrack, peer: Peer) -> None:
        self.reached, self.hearing, self.track = reached, hearing, track
        self._peer = peer
        self._pc_id: str | None = None
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTransceiver(track, direction="sendrecv")
        self.channel = self.connection.createDataChannel("chat")
        self.is_open = asyncio.Event()
        self.channel.on("open", self.is_open.set)
        self.answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listen(self.channel)

    def listen(self, channel: RTCDataChannel) -> None:
        channel.on("message", lambda text: self.answers.put_nowait(json.loads(text)))

    async def offer(self) -> None:
        """Make an offer of what the connection has by now, the first or another."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offer = self.connection.localDescription
        answer = await self._peer.answer({"sdp": offer.sdp, "type": offer.type, "pc_id": self._pc_id})
        self._pc_id = answer["pc_id"]
        # This client sends whatever the bot wants to receive.
        heedless = answer["sdp"].replace("a=inactive", "a=sendrecv").replace("a=sendonly", "a=sendrecv")
        await self.connection.setRemoteDescription(RTCSessionDescription(heedless, answer["type"]))

    def kept_frames(self) -> list[int]:
        """How many frames of each track the bot has decoded and nobody has read."""
        receivers = [each.receiver for each in self._peer.connection.pc.getTransceivers()]
        return [_kept(each.track) for each in receivers]

    def send(self, message: object) -> None:
        raw = message if isinstance(message, str | bytes) else json.dumps(message)
        self.channel.send(raw)

    async def reaches(self, kind: type[Frame]) -> None:
        """Wait until a frame of this kind is where the model would be."""
        while not self.reached.of(kind):
            self.reached.changed.clear()
            await self.reached.changed.wait()

    def rest(self) -> list[dict[str, Any]]:
        """All messages from the bot that were not asked for yet."""
        return [self.answers.get_nowait() for _ in range(self.answers.qsize())]

    async def answered(self, kind: str) -> dict[str, Any]:
        """The next message of this kind from the bot."""
        while (answer := await self.answers.get()).get("type") != kind:
            pass
        return answer


class _Nobody:
    """Presence that takes no notice."""

    def joined(self) -> None: ...
    def caller_joined(self) -> None: ...
    def caller_left(self, *, abruptly: bool) -> None: ...
    def room_failed(self, error: BotError) -> None: ...


@contextlib.asynccontextmanager
async def attacking(
    track: MediaStreamTrack | None = None, more: Sequence[MediaStreamTrack] = ()
) -> AsyncIterator[Attacker]:
    """A connected attacker, before a bot's pipeline from its transport to where its model would be."""
    reached, hearing = Reached(), Hearing(time.monotonic)

    async def report(sentence: str) -> None:
        await worker.rtvi.push_transport_message(Error(data=ErrorData(error=sentence, fatal=False)))

    meeting = CallerMeeting(_Nobody(), ClientMessages(time.monotonic, report))
    peer = Peer(meeting)
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = PeerTransport(peer, meeting, peer.connection, params)
    limit_hearing(transport.input(), hearing)
    pipeline = Pipeline([transport.input(), reached, transport.output()])
    worker = PipelineWorker(pipeline, idle_timeout_secs=None)
    keep_discreet(worker.rtvi)
    attacker = Attacker(reached, hearing, track or Flood(0), peer)
    for each in more:
        attacker.connection.addTransceiver(each, direction="sendrecv")
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        tasks.create_task(_run(worker))
        try:
            await attacker.offer()
            await attacker.is_open.wait()
            attacker.send(
                {"label": "rtvi-ai", "type": "client-ready", "id": "1", "data": {"version": "2.2.0"}}
            )
            await attacker.answered("bot-ready")
            yield attacker
        finally:
            await attacker.connection.close()
            await worker.cancel()
            await peer.close()


def _kept(track: MediaStreamTrack) -> int:
    assert isinstance(track, RemoteStreamTrack)
    return int(track._queue.qsize())


async def _run(worker: PipelineWorker) -> None:
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
