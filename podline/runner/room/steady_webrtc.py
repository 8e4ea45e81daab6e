"""Pipecat's SmallWebRTC transport and its tracks, and aiortc, on a clock that never jumps.

By themselves they pace, wait and measure by the wall clock. If it is set back by 5 s, the bot is silent for
5 s; set back further, the bot's output becomes unusable; set forward, the rest of an answer is sent in a
burst or not at all.
`docs/upstream/` has the reports.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from podline.bucket import Clock
from podline.extras import optional
from podline.runner.room.direct_codecs import OPUS_RATES, OpusPackets, sends_opus

if TYPE_CHECKING:
    import av
    from aioice import turn
    from aiortc import rtcrtpreceiver, rtcrtpsender, rtcsctptransport
    from pipecat.transports.base_transport import TransportParams
    from pipecat.transports.smallwebrtc import connection as smallwebrtc_connection
    from pipecat.transports.smallwebrtc import transport as smallwebrtc_transport
else:
    turn = optional("webrtc", "aioice.turn")
    rtcrtpreceiver = optional("webrtc", "aiortc.rtcrtpreceiver")
    rtcrtpsender = optional("webrtc", "aiortc.rtcrtpsender")
    rtcsctptransport = optional("webrtc", "aiortc.rtcsctptransport")
    smallwebrtc_connection = optional("webrtc", "pipecat.transports.smallwebrtc.connection")
    smallwebrtc_transport = optional("webrtc", "pipecat.transports.smallwebrtc.transport")


MAX_VIDEO_FRAMES: Final = 3
"""A tenth of a second."""

_LOOK_AGAIN_SECONDS: Final = 0.005
"""How often a track that sends no silence looks for the bot's next words, as in Pipecat."""

MAX_CATCH_UP_SECONDS: Final = 0.5
"""How much lost time the bot's audio makes up for by being sent faster. After a longer stall of the process
it begins anew, because no player keeps a longer burst."""


def keep_steady_time() -> None:
    """Give aioice and aiortc a monotonic clock, which they offer no other way to do.

    These modules use `time.time()` for differences only. By the wall clock, after a step back, a relay's
    channel is not renewed in time, and the bot falls silent within ten minutes. Round-trip times and jitter
    are off by any step, and with them the time until a lost message is sent again.
    """
    for module in (turn, rtcrtpreceiver, rtcrtpsender, rtcsctptransport):
        setattr(module, "time", SimpleNamespace(time=time.monotonic))  # noqa: B010 - to mypy, `time` is no attribute


class SteadyAudioTrack(smallwebrtc_transport.RawAudioTrack):
    """Sends 10 ms of the bot's audio every 10 ms, or 20 ms that are encoded every 20 ms.

    Args:
        sample_rate: Samples per second of the audio that the bot will add.
        auto_silence: Whether silence is sent while the bot says nothing.
        opus: Whether the caller takes Opus. The track encodes it itself if it can.
        clock: Seconds that pass steadily.
        sleep: What waits by the clock.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        auto_silence: bool,
        opus: bool = False,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(sample_rate, auto_silence)
        # Pipecat waits until this moment plus the length of what was sent, so it never waits.
        self._start = -math.inf
        self._clock = clock
        self._sleep = sleep
        self._began = clock()
        self._packets = OpusPackets(sample_rate) if opus and sample_rate in OPUS_RATES else None

    def add_audio_bytes(self, audio_bytes: bytes) -> Any:
        """Return a future that is done once the audio is sent, or can't be sent any more."""
        sent = super().add_audio_bytes(audio_bytes)
        if self.readyState == "ended":
            self._release()
        return sent

    def stop(self) -> None:
        super().stop()
        self._release()

    def _release(self) -> None:
        """Release those who wait for their audio to be sent: it can't be once the connection is gone."""
        super().stop()
        while self._chunk_queue:
            _, sent = self._chunk_queue.popleft()
            if sent is not None and not sent.done():
                sent.set_result(False)

    async def recv(self) -> Any:
        await self._until(self._timestamp)
        if self._packets is None:
            return await super().recv()  # type: ignore[no-untyped-call]  # theirs has no annotation
        return await self._next_packet(self._packets)

    async def _until(self, timestamp: int) -> None:
        """Wait until this sample is due."""
        early = self._began + timestamp / self._sample_rate - self._clock()
        if early > 0:
            await self._sleep(early)
        elif early < -MAX_CATCH_UP_SECONDS:
            self._began -= early

    async def _next_packet(self, packets: OpusPackets) -> av.Packet[Any]:
        while not self._auto_silence and not self._chunk_queue:
            await self._sleep(_LOOK_AGAIN_SECONDS)
        is_speech = bool(self._chunk_queue)
        pcm = self._next_10ms()
        if is_speech and not self._chunk_queue:
            # A bot that writes 10 ms at a time writes the next once the first are taken.
            await self._until(self._timestamp + self._samples_per_10ms)
        pcm += self._next_10ms()
        begins_at, self._timestamp = self._timestamp, self._timestamp + 2 * self._samples_per_10ms
        return packets.encode(pcm, begins_at)

    def _next_10ms(self) -> bytes:
        if not self._chunk_queue:
            return bytes(self._bytes_per_10ms)
        pcm, taken = self._chunk_queue.popleft()
        if taken is not None and not taken.done():
            taken.set_result(True)
        return bytes(pcm)


def keep_latest(video: smallwebrtc_transport.RawVideoTrack) -> None:
    """Have the bot's video keep only its latest frames until they are sent: a caller may take no video."""
    waiting = video._video_buffer  # noqa: SLF001 - Pipecat has no other way

    def add(frame: Any) -> None:
        while waiting.qsize() >= MAX_VIDEO_FRAMES:
            waiting.get_nowait()
        waiting.put_nowait(frame)

    video.add_video_frame = add  # type: ignore[method-assign]  # likewise


class SteadyMicrophone(smallwebrtc_connection.SmallWebRTCTrack):
    """The caller's audio. It isn't decoded while nobody reads it."""

    def __init__(self, receiver: Any, *, clock: Clock = time.monotonic) -> None:
        super().__init__(receiver)
        self._clock = clock
        self._read_at = clock()

    async def recv(self) -> Any:
        self._read_at = self._clock()
        return await super().recv()

    async def _idle_watcher(self) -> None:
        while self._receiver._enabled:  # noqa: SLF001 - as Pipecat's own watcher
            await asyncio.sleep(self._idle_timeout)
            if self._clock() - self._read_at >= self._idle_timeout:
                await self.discard_old_frames()  # type: ignore[no-untyped-call]
                self._receiver._enabled = False  # noqa: SLF001 - likewise


class SteadyTransport(smallwebrtc_transport.SmallWebRTCTransport):
    """Gives the bot a `SteadyAudioTrack` to speak on, for each connection, and stops the former one.

    Pipecat abandons the former track with the audio that is on it. A write that waited for that would take
    10 s, and then no audio would be sent for the rest of the call.
    """

    def __init__(
        self,
        webrtc_connection: smallwebrtc_connection.SmallWebRTCConnection,
        params: TransportParams,
        input_name: str | None = None,
        output_name: str | None = None,
    ) -> None:
        super().__init__(webrtc_connection, params, input_name, output_name)
        self._track: SteadyAudioTrack | None = None
        for event in ("disconnected", "closed"):
            webrtc_connection.add_event_handler(event, self._stop_track)

    def _stop_track(self, _connection: smallwebrtc_connection.SmallWebRTCConnection) -> None:
        if self._track is not None:
            self._track.stop()
            self._track = None

    async def _on_client_connected(
        self, webrtc_connection: smallwebrtc_connection.SmallWebRTCConnection
    ) -> None:
        # Pipecat's client has just made a track of its own, on which nothing has been sent yet.
        self._stop_track(webrtc_connection)
        client = self._client
        self._track = track = SteadyAudioTrack(
            client._out_sample_rate,  # noqa: SLF001 - Pipecat makes its client itself
            auto_silence=self._params.audio_out_auto_silence,
            opus=sends_opus(
                webrtc_connection.pc.getTransceivers()[smallwebrtc_connection.AUDIO_TRANSCEIVER_INDEX]
            ),
        )
        client._audio_output_track = track  # type: ignore[assignment]  # noqa: SLF001 - likewise
        webrtc_connection.replace_audio_track(track)
        if client._video_output_track is not None:  # noqa: SLF001 - likewise
            keep_latest(client._video_output_track)  # noqa: SLF001 - likewise
        await super()._on_client_connected(webrtc_connection)  # type: ignore[no-untyped-call]
