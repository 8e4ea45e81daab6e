"""A bot for tests of the page: it answers the offer over a real connection, and sends what it is told."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from playwright.async_api import Page, Route

SESSION: Final = "call-1"
TOKEN: Final = "the-callers-token"


def rtvi(kind: object, data: object) -> str:
    return json.dumps({"label": "rtvi-ai", "type": kind, "id": "1", "data": data})


def said(text: object) -> str:
    return rtvi("bot-output", {"text": text, "will_be_spoken": True, "spoken_status": "completed"})


class _PageBot:
    def __init__(self, messages: Iterable[str]) -> None:
        self._messages = messages
        self.connection = RTCPeerConnection()
        self.connection.addTrack(AudioStreamTrack())
        self.connection.on("datachannel", self._open)

    def _open(self, channel: RTCDataChannel) -> None:
        def receive(message: object) -> None:
            if "client-ready" in str(message):
                channel.send(rtvi("bot-ready", {"version": "2.2.0"}))
                for each in self._messages:
                    channel.send(each)

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
async def called(page: Page, messages: Iterable[str]) -> AsyncIterator[RTCPeerConnection]:
    """Call from the page a bot that sends these messages, each a text, once the page is ready for them.

    Yields the bot's end of the connection.
    """
    bot = _PageBot(messages)
    await page.route("**/start", bot.start)
    await page.route("**/api/offer", bot.meet)
    try:
        await page.get_by_role("button", name="Start talking").click()
        yield bot.connection
    finally:
        await bot.connection.close()
