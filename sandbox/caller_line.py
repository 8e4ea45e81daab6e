"""One peer connection of a scripted caller: microphone, data channel, and the pings that keep it alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

import aiohttp
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection

from sandbox.caller_audio import Ear, Mouth
from sandbox.caller_signalling import RoomAddress, connect

_PING_SECONDS: Final = 1.0
"""Pipecat takes a caller for gone after three seconds without a ping."""
_CLOSING_SECONDS: Final = 5.0
"""How long aiortc may take to close a connection. It waits for its own tasks without a bound."""


class CallerLine:
    """A connection between a caller and a bot, from its offer to its end.

    Attributes:
        mouth: What the bot hears.
        pc_id: The bot's name for the connection, once it has answered.
        connected_at: When it was connected, by `time.monotonic`.
    """

    def __init__(
        self,
        random: np.random.Generator,
        ear: Ear,
        on_message: Callable[[str], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_message` gets each text of the data channel; `on_end` is called when the other side is gone."""
        self.mouth = Mouth(random)
        self.pc_id: str | None = None
        self.connected_at: float | None = None
        self._ear = ear
        self._on_end = on_end
        self._tasks: set[asyncio.Task[None]] = set()
        # Without a list of its own, aiortc asks a public STUN server.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        # Pipecat takes the first transceiver for the caller's audio.
        self._connection.addTransceiver(self.mouth, direction="sendrecv")
        self._connection.on("track", self._listen)
        self._connection.on("connectionstatechange", self._note_state)
        self._channel: RTCDataChannel = self._connection.createDataChannel("chat", ordered=True)
        self._channel.on("message", on_message)
        self._channel.on("close", self._note_end)

    async def open(
        self,
        http: aiohttp.ClientSession,
        room: RoomAddress,
        on_open: Callable[[], None],
        *,
        in_place_of: str | None = None,
    ) -> None:
        """Offer the connection; `on_open` is called when messages can be sent.

        `in_place_of` is the `pc_id` of a lost connection of the same caller.

        Raises:
            CallFailedError: The offer was refused.
        """

        def begin() -> None:
            on_open()
            self._own(self._keep_in_touch())

        self._channel.on("open", begin)
        self.pc_id = await connect(http, room, self._connection, in_place_of)

    def send(self, text: str) -> None:
        self._channel.send(text)

    async def cut(self) -> None:
        """Be gone as when a network dies or a tab is killed: not a packet more, not even a goodbye."""
        await self._let_go()
        sctp = self._connection.sctp
        assert sctp is not None  # noqa: S101 - there is one since there is a data channel
        # Without a way out, nobody hears the goodbyes that closing says.
        await sctp.transport.transport.stop()
        await self._close_connection()

    async def close(self) -> None:
        """Hang up. Repeating it does nothing."""
        await self._close_connection()
        await self._let_go()

    async def _close_connection(self) -> None:
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._connection.close()
        except TimeoutError:
            sctp = self._connection.sctp
            if sctp is not None:
                await sctp.transport.stop()
                await sctp.transport.transport.stop()

    async def _let_go(self) -> None:
        self._on_end = _nothing
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_in_touch(self) -> None:
        while self._channel.readyState == "open":
            self._channel.send(f"ping: {time.monotonic():.0f}")
            await asyncio.sleep(_PING_SECONDS)

    def _listen(self, track: MediaStreamTrack) -> None:
        self._own(self._ear.listen(track))

    def _note_state(self) -> None:
        if self._connection.connectionState == "connected" and self.connected_at is None:
            self.connected_at = time.monotonic()
        if self._connection.connectionState in ("failed", "closed"):
            self._note_end()

    def _note_end(self) -> None:
        self._on_end()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))


def _nothing() -> None:
    """Replaces the callbacks of a closed line: nothing more is reported."""
