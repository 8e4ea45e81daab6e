"""A bot for tests of the page: it answers the offer over a real connection, and sends what it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import numpy as np
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame
from playwright.async_api import Page, Route

SESSION: Final = "call-1"
TOKEN: Final = "the-callers-token"


def rtvi(kind: object, data: object) -> str:
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data})


def said(text: object) -> str:
    return rtvi("bot-output", {"text": text, "will_be_spoken": True, "spoken_status": "completed"})


class Murmur(AudioStreamTrack):
    """Sound with the loudness of speech: words of a low tone, with pauses between them."""

    async def recv(self) -> AudioFrame:
        frame = await super().recv()
        assert isinstance(frame, AudioFrame)
        assert frame.pts is not None
        seconds = (frame.pts + np.arange(frame.samples)) / frame.sample_rate
        loudness = np.clip(np.sin(2 * np.pi * 1.7 * seconds) + 0.6 * np.sin(2 * np.pi * 0.37 * seconds), 0, 1)
        tone = 5000 * loudness * np.sin(2 * np.pi * 170 * seconds)
        frame.planes[0].update(tone.astype(np.int16).tobytes())
        return frame


class PageBot:
    """A bot that the page can call; `connection` is its end of the call."""

    def __init__(self, messages: Iterable[str], voice: AudioStreamTrack) -> None:
        self._messages = messages
        self._channel: RTCDataChannel | None = None
        self.connection = RTCPeerConnection()
        self.connection.addTrack(voice)
        self.connection.on("datachannel", self._open)

    def send(self, *messages: str) -> None:
        """Send more messages, once the page was ready for the first."""
        assert self._channel is not None
        for each in messages:
            self._channel.send(each)

    def _open(self, channel: RTCDataChannel) -> None:
        def receive(message: object) -> None:
            if "client-ready" in str(message):
                self._channel = channel
                self.send(rtvi("bot-ready", {"version": "2.2.0"}), *self._messages)

        channel.on("message", receive)

    async def start(self, route: Route) -> None:
        await route.fulfill(json={"sessionId": f"{SESSION}~{TOKEN}"})

    async def meet(self, route: Route) -> None:
        if route.request.method == "PATCH":
            await route.fulfill(json={})
            return
        offer = cast("dict[str, Any]", route.request.post_data_json)
        await self.connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], offer["type"]))
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        answer = self.connection.localDescription
        await route.fulfill(json={"sdp": answer.sdp, "type": answer.type, "pc_id": "1"})


@asynccontextmanager
async def called(
    page: Page, messages: Iterable[str], voice: AudioStreamTrack | None = None
) -> AsyncIterator[PageBot]:
    """Call from the page a bot that sends these messages, each a text, once the page is ready for them."""
    bot = PageBot(messages, voice or AudioStreamTrack())
    await page.route("**/start", bot.start)
    await page.route("**/api/offer", bot.meet)
    try:
        await page.get_by_role("button", name="Start talking").click()
        yield bot
    finally:
        await bot.connection.close()
