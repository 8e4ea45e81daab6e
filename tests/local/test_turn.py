"""A caller and a bot who can't reach each other meet at a TURN server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame

from testing.processes import Program, Sandbox, answers, ended_session, eventually, free_port
from testing.servers.turn import SECRET, turn_server


@contextmanager
def serving(sandbox: Sandbox, directory: Path, turn_url: str, secret: str) -> Iterator[str]:
    port = free_port()
    variables = {
        **sandbox.variables,
        "PODLINE_PORT": str(port),
        "PODLINE_GRACE_SECONDS": "3",
        "PODLINE_ICE_SERVERS": turn_url,
        "PODLINE_TURN_SECRET": secret,
    }
    program = Program.start("podline", [sys.executable, "-m", "controller", "serve"], directory, variables)
    try:
        program.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
        yield f"http://127.0.0.1:{port}"
    finally:
        program.stop()


@pytest.fixture
async def relayed(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A controller whose callers and bots have a TURN server."""
    with (
        turn_server(tmp_path) as url,
        serving(sandbox, tmp_path, url, SECRET) as controller_url,
    ):
        async with httpx.AsyncClient(base_url=controller_url, timeout=60) as client:
            yield client


@pytest.fixture
async def misconfigured(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A controller whose secret is not the TURN server's."""
    with (
        turn_server(tmp_path) as url,
        serving(sandbox, tmp_path, url, "another-secret") as controller_url,
    ):
        async with httpx.AsyncClient(base_url=controller_url, timeout=60) as client:
            yield client


@asynccontextmanager
async def connection_by(servers: list[dict[str, str]]) -> AsyncIterator[RTCPeerConnection]:
    """A caller's connection that has gathered its candidates for an offer with a microphone."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[RTCIceServer(**each) for each in servers]))
    connection.addTransceiver(AudioStreamTrack(), direction="sendrecv")
    connection.createDataChannel("chat")
    await connection.setLocalDescription(await connection.createOffer())
    try:
        yield connection
    finally:
        await connection.close()


def relayed_only(sdp: str) -> str:
    """A description from which nobody learns where its writer really is."""
    lines = sdp.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("a=candidate") or "typ relay" in line)


async def offer(client: httpx.AsyncClient, session_id: str, sdp: str) -> dict[str, Any]:
    answer = await client.post(f"/sessions/{session_id}/api/offer", json={"sdp": sdp, "type": "offer"})
    described: dict[str, Any] = answer.raise_for_status().json()
    return described


async def first_sound(connection: RTCPeerConnection) -> None:
    """Wait for a frame of the bot's that is not silence."""
    track = connection.getReceivers()[0].track
    while True:
        frame = await track.recv()
        assert isinstance(frame, AudioFrame)
        if frame.to_ndarray().any():
            return


async def test_a_call_over_the_relay_alone_is_heard(relayed: httpx.AsyncClient) -> None:
    started = (await relayed.post("/start", json={})).raise_for_status().json()
    session_id = started["sessionId"]

    async with connection_by(started["iceConfig"]["iceServers"]) as connection:
        answer = await offer(relayed, session_id, relayed_only(connection.localDescription.sdp))
        await connection.setRemoteDescription(
            RTCSessionDescription(relayed_only(answer["sdp"]), answer["type"])
        )
        async with asyncio.timeout(30):
            await first_sound(connection)

    assert "typ relay" in answer["sdp"]
    session = await eventually(lambda: ended_session(relayed, session_id), "the end")
    assert session["reason"] == "caller_left"


async def test_a_relay_that_refuses_us_costs_only_itself(misconfigured: httpx.AsyncClient) -> None:
    started = (await misconfigured.post("/start", json={})).raise_for_status().json()

    async with connection_by([]) as connection:
        answer = await offer(misconfigured, started["sessionId"], connection.localDescription.sdp)
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        async with asyncio.timeout(30):
            await first_sound(connection)

    assert "typ relay" not in answer["sdp"]


async def test_a_web_app_gets_the_servers_with_the_room(relayed: httpx.AsyncClient) -> None:
    answer = (await relayed.post("/v1/sessions", json={"user_id": "ana"})).raise_for_status().json()
    read = (await relayed.get(f"/v1/sessions/{answer['id']}")).text
    await relayed.delete(f"/v1/sessions/{answer['id']}")

    [server] = answer["room"]["ice_servers"]
    async with connection_by([server]) as connection:
        assert "typ relay" in connection.localDescription.sdp
    assert server["username"].endswith(f":{answer['id']}")
    assert "ice_servers" not in json.loads(read)["room"]
    assert server["credential"] not in read
