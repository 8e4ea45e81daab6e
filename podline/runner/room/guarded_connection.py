"""Pipecat's SmallWebRTC connection, which passes on admitted messages and decodes only what the bot reads.

It decides by a monotonic clock whether the caller is there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from podline.bucket import Clock
from podline.extras import optional
from podline.runner.room.client_messages import PING, ClientMessages
from podline.runner.room.direct_codecs import decode_directly
from podline.runner.room.steady_webrtc import SteadyMicrophone

if TYPE_CHECKING:
    import aiortc
    from pipecat.transports.smallwebrtc import connection as smallwebrtc
else:
    aiortc = optional("webrtc", "aiortc")
    smallwebrtc = optional("webrtc", "pipecat.transports.smallwebrtc.connection")


MAX_CHANNELS: Final = 4
"""How many data channels of one connection the bot listens to. Clients open one."""

PING_SECONDS: Final = 3.0
"""How long a caller counts as connected after a ping, as in Pipecat. Clients send one every second."""

_MESSAGE: Final = "message"
_DIRECTIONS: Final = {(0, "audio"): "sendrecv", (1, "video"): "sendrecv", (2, "video"): "recvonly"}
"""What Pipecat's clients offer: microphone, camera, screen. The bot's own video is the second, too."""


class GuardedConnection(smallwebrtc.SmallWebRTCConnection):
    """Checks each message before Pipecat parses it, or logs what it can't parse.

    It receives tracks that a bot may read, while it does: aiortc would decode all, and buffer the rest.
    """

    def __init__(
        self,
        messages: ClientMessages,
        ice_servers: Sequence[aiortc.RTCIceServer],
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        self._messages = messages
        self._channels = 0
        self._clock = clock
        self._pinged_at = -math.inf
        super().__init__(list(ice_servers))

    def _setup_listeners(self) -> None:
        # Called again for each new connection after a loss.
        self._channels = 0
        super()._setup_listeners()  # type: ignore[no-untyped-call]  # theirs has no annotation
        # Called after Pipecat's own handler, which listens to the channel.
        self._pc.on("datachannel", self._guard)

    def force_transceivers_to_send_recv(self) -> None:
        # Called before an offer is answered; aiortc drops an inactive track before decoding it.
        for number, transceiver in enumerate(self._pc.getTransceivers()):
            transceiver.direction = _DIRECTIONS.get((number, transceiver.kind), "inactive")
            if transceiver.kind == "audio":
                decode_directly(transceiver.receiver)

    async def _create_answer(self, sdp: str, type: str) -> None:  # noqa: A002 - Pipecat's name
        await super()._create_answer(sdp, type)
        # aiortc has just enabled each. Pipecat's track, once there is one, enables its own to be read.
        for number, transceiver in enumerate(self._pc.getTransceivers()):
            if number and number not in self._track_map:
                transceiver.receiver._enabled = False  # noqa: SLF001 - as Pipecat's track does

    def is_connected(self) -> bool:
        if self._last_received_time is None:
            # No ping has come yet, so Pipecat looks at the state of aiortc's connection.
            return bool(super().is_connected())
        return self._connect_invoked and self._clock() - self._pinged_at < PING_SECONDS

    def audio_input_track(self) -> SteadyMicrophone | None:
        track = super().audio_input_track()  # type: ignore[no-untyped-call]  # theirs has no annotation
        if track is None or isinstance(track, SteadyMicrophone):
            return track
        microphone = SteadyMicrophone(track._receiver)  # noqa: SLF001 - Pipecat makes its track itself
        self._track_map[smallwebrtc.AUDIO_TRANSCEIVER_INDEX] = microphone
        return microphone

    def _guard(self, channel: aiortc.RTCDataChannel) -> None:
        listeners = list(channel.listeners(_MESSAGE))
        for listener in listeners:
            channel.remove_listener(_MESSAGE, listener)
        self._channels += 1
        if self._channels > MAX_CHANNELS:
            return
        for listener in listeners:
            channel.on(_MESSAGE, partial(self._pass_on, listener))

    async def _pass_on(self, listener: Callable[[Any], Awaitable[None]], raw: str | bytes) -> None:
        message = await self._messages.take(raw)
        if message is not None:
            if message.startswith(PING):
                self._pinged_at = self._clock()
            await listener(message)
