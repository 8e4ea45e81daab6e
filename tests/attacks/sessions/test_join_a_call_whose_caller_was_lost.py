"""A stranger waits until a caller's connection is lost, and tries to take over a real call."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from dotenv import dotenv_values

from sandbox.caller import calling
from sandbox.caller_signalling import RoomAddress
from sandbox.voice import Voice
from testing.callers.keys import KEYS, bearer, write_keys
from testing.processes import Program, answers, free_port

VICTIM = "cart-7"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A controller that is open to the public, with a sandbox, as processes."""
    command = [sys.executable, "-m", "sandbox", "--directory", str(tmp_path)]
    sandbox = Program.start("sandbox", command, tmp_path, {})
    try:
        sandbox.wait_until((tmp_path / "sandbox.env").exists)
        port = free_port()
        variables = {
            **{name: value or "" for name, value in dotenv_values(tmp_path / "sandbox.env").items()},
            "PODLINE_PORT": str(port),
            "PODLINE_GRACE_SECONDS": "3",
            "PODLINE_RETURN_GRACE_SECONDS": "5",
            "PODLINE_KEYS_FILE": write_keys(tmp_path, *KEYS),
            "PODLINE_PUBLIC_START": "true",
        }
        controller = Program.start(
            "controller", [sys.executable, "-m", "controller", "serve"], tmp_path, variables
        )
        try:
            controller.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"))
            yield f"http://127.0.0.1:{port}"
        finally:
            controller.stop()
    finally:
        sandbox.stop()


@asynccontextmanager
async def an_offer() -> AsyncIterator[dict[str, object]]:
    """One that a bot would take."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        connection.addTransceiver("audio", direction="sendrecv")
        connection.createDataChannel("chat")
        await connection.setLocalDescription(await connection.createOffer())
        yield {"sdp": connection.localDescription.sdp, "type": "offer"}
    finally:
        await connection.close()


async def test_nobody_else_gets_into_a_call_neither_beside_its_caller_nor_after_a_loss(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=40) as client, an_offer() as offer:
        body = {"user_id": "ana", "session_id": VICTIM}
        session = (await client.post("/v1/sessions", json=body, headers=bearer("starter"))).json()
        own = (await client.post("/start", json={})).json()["sessionId"].partition("~")[2]

        async def strangers(pc_id: str) -> set[int]:
            """What all who try are answered with: with nothing, with keys, with a token of their own."""
            variants: tuple[dict[str, Any], ...] = (
                {},
                {"restart_pc": True},
                {"pc_id": pc_id, "restart_pc": True},
            )
            holding = ("", "starter", "boss", own)
            paths = (f"/sessions/{VICTIM}/api/offer", f"/sessions/{VICTIM}~{own}/api/offer")
            return {
                (
                    await client.post(path, json={**offer, **more}, headers=bearer(holds) if holds else {})
                ).status_code
                for path in paths
                for more in variants
                for holds in holding
            }

        async def phase() -> str:
            answer = await client.get(f"/v1/sessions/{VICTIM}", headers=bearer("reader"))
            return str(answer.json()["phase"])

        room = RoomAddress(session["room"]["url"], session["room"]["token"])
        async with asyncio.timeout(60), calling(url, Voice(), room=room) as (caller, _):
            await caller.hears_bot()
            pc_id = caller._line.pc_id
            assert pc_id is not None
            assert await strangers(pc_id) <= {401, 429}

            await caller.lose_connection()
            while await phase() not in ("ended", "failed"):
                assert await strangers(pc_id) <= {401, 429}

        ended = (await client.get(f"/v1/sessions/{VICTIM}", headers=bearer("reader"))).json()
        assert ended["reason"] == "caller_left"
