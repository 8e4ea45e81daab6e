"""A session in a room of the sandbox's Daily: made, entered as far as that goes, and deleted."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from testing.processes import Sandbox, ended_session, eventually
from tests.local.conftest import PROGRAMS, serving


async def test_a_room_is_made_for_a_session_and_goes_with_it(
    sandbox: Sandbox, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Nobody can meet in the sandbox's rooms: Daily's own client does not let the bot in."""
    rooms = {"PODLINE_ROOMS": "daily"}
    key = {"Authorization": f"Bearer {sandbox.variables['DAILY_API_KEY']}"}
    with serving(sandbox, tmp_path, pytestconfig.stash[PROGRAMS], rooms) as url:
        async with (
            httpx.AsyncClient(base_url=url) as controller,
            httpx.AsyncClient(base_url=sandbox.variables["DAILY_API_URL"], headers=key) as daily,
        ):
            started = (await controller.post("/start", json={"transport": "daily"})).raise_for_status().json()
            [made] = (await daily.get("/rooms")).raise_for_status().json()["data"]
            assert (made["url"], made["privacy"]) == (started["dailyRoom"], "private")

            session_id = started["sessionId"]
            session = await eventually(lambda: ended_session(controller, session_id), "the end", within=60)
            assert session["reason"] == "room_refused"
            assert started["dailyToken"] not in str(session)

            async def is_deleted() -> bool:
                return not (await daily.get("/rooms")).raise_for_status().json()["data"]

            await eventually(is_deleted, "the room's end")
