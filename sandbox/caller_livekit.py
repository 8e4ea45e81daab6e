"""A scripted caller's connection to a LiveKit room, with LiveKit's own client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from fractions import Fraction
from typing import Any, Final

import aiohttp
import numpy as np
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from livekit import rtc

from sandbox.caller_audio import FRAME_SECONDS, RATE, Ear, Mouth
from sandbox.caller_signalling import CallFailedError, RoomAddress

QUEUE_MILLISECONDS: Final = 100
"""How much of what the mouth says waits to be sent, from the beginning on, so that a clock that is late makes
no gap. An answer seems to take that much longer than it does."""


class LiveKitLine:
    """A connection between a caller and a bot by way of a LiveKit server: see `sandbox.caller_line.Line`."""

    pc_id = None

    def __init__(
        self,
        random: np.random.Generator,
        ear: Ear,
        on_message: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        self.mouth = Mouth(random)
        self.connected_at: float | None = None
        self._ear = ear
        self._on_end = on_end
        self._was_open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = rtc.Room()
        self._microphone: rtc.LocalTrackPublication
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MILLISECONDS)
        self._room.on("data_received", lambda packet: on_message(packet.data.decode()))
        self._room.on("disconnected", self._note_end)
        self._room.on("participant_disconnected", self._note_gone)

    async def open(
        self,
        http: aiohttp.ClientSession,  # noqa: ARG002 - LiveKit's client has its own
        room: RoomAddress,
        on_open: Callable[[], None],
        *,
        in_place_of: str | None = None,  # noqa: ARG002 - the identity in the token says who comes back
    ) -> None:
        """Join the room; `on_open` is called when the bot has joined as well.

        Raises:
            CallFailedError: The server did not let the caller in.
        """

        def listen(track: rtc.Track, _publication: object, participant: rtc.RemoteParticipant) -> None:
            if isinstance(track, rtc.RemoteAudioTrack) and _is_bot(participant):
                if not self._was_open:
                    on_open()
                self._was_open = True
                self._own(self._ear.listen(_Heard(track)))

        self._room.on("track_subscribed", listen)
        try:
            await self._room.connect(room.url, room.token or "")
        except rtc.ConnectError as error:
            raise CallFailedError(f"LiveKit did not let the caller in: {error.message}") from None
        self.connected_at = time.monotonic()
        self._microphone = await self._publish()
        self._own(self._speak())

    async def republish(self, *, is_overlapping: bool = False) -> None:
        """Publish the microphone as another track, as pages do when a device changes, until it is received.

        With `is_overlapping` the former track stays until the bot receives the other.
        """
        former = self._microphone.sid
        if not is_overlapping:
            await self._room.local_participant.unpublish_track(former)
        self._microphone = await self._publish()
        await self._microphone.wait_for_subscription()
        if is_overlapping:
            await self._room.local_participant.unpublish_track(former)

    def let_be_heard(self, *, is_allowed: bool) -> None:
        """Allow everybody to subscribe to the microphone, or nobody: LiveKit then refuses subscriptions."""
        self._room.local_participant.set_track_subscription_permissions(allow_all_participants=is_allowed)

    def send(self, text: str) -> None:
        self._own(self._room.local_participant.publish_data(text, reliable=True))

    async def cut(self) -> None:
        """Not possible: LiveKit's client can only be killed with its process."""
        raise CallFailedError("a caller in a LiveKit room is lost only with the process that it is in")

    async def close(self) -> None:
        """Hang up. Repeating it does nothing."""
        self._on_end = _nothing
        await self._room.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._source.aclose()

    async def _publish(self) -> rtc.LocalTrackPublication:
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._source)
        return await self._room.local_participant.publish_track(track, options)

    async def _speak(self) -> None:
        size = RATE * QUEUE_MILLISECONDS // 1000
        await self._source.capture_frame(rtc.AudioFrame(bytes(2 * size), RATE, 1, size))
        while True:
            frame = await self.mouth.recv()
            samples = frame.to_ndarray()
            await self._source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, samples.size))

    def _note_end(self) -> None:
        self.mouth.stop()
        self._on_end()

    def _note_gone(self, participant: rtc.RemoteParticipant) -> None:
        # While reconnecting, the SDK reports that all have left, then that those present have joined.
        if _is_bot(participant) and self._room.connection_state == rtc.ConnectionState.CONN_CONNECTED:
            self._on_end()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)


class _Heard:
    """What comes of a track, as the ear takes it. LiveKit gives no time of sending: frames are counted."""

    def __init__(self, track: rtc.RemoteAudioTrack) -> None:
        self._stream = rtc.AudioStream.from_track(
            track=track, sample_rate=RATE, num_channels=1, frame_size_ms=int(FRAME_SECONDS * 1000)
        )
        self._heard = 0

    async def recv(self) -> AudioFrame:
        try:
            event = await anext(self._stream)
        except StopAsyncIteration:
            raise MediaStreamError from None
        samples = np.frombuffer(event.frame.data, np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), layout="mono")
        frame.sample_rate = RATE
        frame.pts = self._heard
        frame.time_base = Fraction(1, RATE)
        self._heard += samples.size
        return frame


def _is_bot(participant: rtc.RemoteParticipant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


def _nothing() -> None:
    """Replaces the callbacks of a closed line: nothing more is reported."""
