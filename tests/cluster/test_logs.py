"""A bot's log, read from its pod."""

from __future__ import annotations

import asyncio
from pathlib import Path

from testing.cluster.control_plane import ControlPlane
from testing.cluster.site import serve


async def test_a_log_can_be_read_while_the_bot_runs_and_after_its_end(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    plane.say("a line of the bot")
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        during = await site.client.get("/v1/sessions/one/logs")
        await site.fate("one", end="exit-0")
        await site.until_over("one")
        afterwards = await site.client.get("/v1/sessions/one/logs")

    assert "a line of the bot\n" in during.text
    assert afterwards.text == during.text


async def test_a_log_can_be_followed(plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    plane.say("the first line")
    async with serve(plane, namespace, tmp_path) as site:
        await site.live(session_id="one")
        async with site.client.stream("GET", "/v1/sessions/one/logs?follow=true") as log:
            lines = log.aiter_lines()
            async with asyncio.timeout(30):
                while await anext(lines) != "the first line":
                    pass
                plane.say("said while it is followed")
                while await anext(lines) != "said while it is followed":
                    pass


async def test_a_session_without_a_pod_has_an_empty_log(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    async with serve(plane, namespace, tmp_path, is_vast=True) as site:
        await site.start(session_id="one")
        await site.pod("one", "Pending")
        answer = await site.client.get("/v1/sessions/one/logs")

    assert (answer.status_code, answer.text) == (200, "")
