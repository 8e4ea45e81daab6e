"""What attacks by offers share: a caller's side, as anybody can write it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from testing.fakes.controllers.served import Controller

ROOT = Path(__file__).parents[2]
MEETING_BOT = ("/usr/bin/env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "testing.fakes.bots.meeting_bot")


async def send(
    controller: Controller, session: dict[str, Any], body: dict[str, Any], method: str = "POST"
) -> httpx.Response:
    """An offer or candidates, with the session's own token."""
    room = session["room"]
    return await controller.client.request(
        method, room["url"], json=body, headers={"Authorization": f"Bearer {room['token']}"}
    )


def offer_with(candidates: Sequence[str], *more: str) -> dict[str, Any]:
    """An offer that a bot can answer, with these candidates."""
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=setup:actpass",
        "a=fingerprint:sha-256 " + ":".join(["AA"] * 32),
        "a=rtpmap:111 opus/48000/2",
        *(f"a={candidate}" for candidate in candidates),
        *more,
    ]
    return {"sdp": "\r\n".join(lines) + "\r\n", "type": "offer"}


def candidate(host: str, port: int) -> str:
    return f"candidate:1 1 udp 2122260223 {host} {port} typ host generation 0"


def patch_of(pc_id: str, candidates: Sequence[str]) -> dict[str, Any]:
    return {
        "pc_id": pc_id,
        "candidates": [{"candidate": each, "sdp_mid": "0", "sdp_mline_index": 0} for each in candidates],
    }


def own_address() -> str:
    """This machine's address in its network, private as a rule."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address: str = probe.getsockname()[0]
        return address


class Listeners(asyncio.DatagramProtocol):
    """Something inside that is not the attacker's to reach: sees each packet that comes."""

    def __init__(self, heard: dict[int, int], port: int, changed: asyncio.Event) -> None:
        self._heard = heard
        self._port = port
        self._changed = changed

    def datagram_received(self, _data: bytes, _address: Any) -> None:
        self._heard[self._port] = self._heard.get(self._port, 0) + 1
        self._changed.set()


class Inside:
    """Ports that listen, and how many packets came to each."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.heard: dict[int, int] = {}
        self.changed = asyncio.Event()

    async def until(self, count: int, packets: int = 1) -> None:
        """Wait until so many of the ports have heard that many packets."""
        async with asyncio.timeout(20):
            while sum(heard >= packets for heard in self.heard.values()) < count:
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def listening(count: int) -> AsyncIterator[Inside]:
    inside, transports = Inside(), []
    loop = asyncio.get_running_loop()
    for _ in range(count):
        port_of = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        port_of.bind((own_address(), 0))
        port_of.setblocking(False)  # noqa: FBT003 - the standard library's own
        port = port_of.getsockname()[1]
        inside.ports.append(port)
        transport, _ = await loop.create_datagram_endpoint(
            partial(Listeners, inside.heard, port, inside.changed), sock=port_of
        )
        transports.append(transport)
    try:
        yield inside
    finally:
        for transport in transports:
            transport.close()


@asynccontextmanager
async def in_call(controller: Controller, session: dict[str, Any]) -> AsyncIterator[RTCPeerConnection]:
    """A caller whose connection stands for the length of the block."""
    connection = RTCPeerConnection()
    connected = asyncio.Event()
    connection.on(
        "connectionstatechange",
        lambda: connected.set() if connection.connectionState == "connected" else None,
    )
    connection.createDataChannel("chat")
    connection.addTrack(AudioStreamTrack())
    await connection.setLocalDescription(await connection.createOffer())
    try:
        answer = await send(controller, session, {"sdp": connection.localDescription.sdp, "type": "offer"})
        assert answer.status_code == 200, answer.text
        await connection.setRemoteDescription(
            RTCSessionDescription(answer.json()["sdp"], answer.json()["type"])
        )
        async with asyncio.timeout(20):
            await connected.wait()
        # Until the bot has noticed, it would let another in.
        await controller.until(session["id"], lambda now: now["timeline"]["caller_joined"] is not None)
        yield connection
    finally:
        await connection.close()
