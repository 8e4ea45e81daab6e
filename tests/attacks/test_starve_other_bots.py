"""A bot whose code is bad takes up the channel that all bots share, until others fall silent."""

from __future__ import annotations

import contextlib
from pathlib import Path

import httpx

from tests.fakes.bad_bot import BadBot, serve_bad_bot
from tests.fakes.wire import Wire, connected

MANY = 120


def poll(bot: BadBot) -> bytes:
    launch_id, token = bot.environment["PODLINE_LAUNCH_ID"], bot.environment["PODLINE_LAUNCH_TOKEN"]
    return (
        f"GET /internal/launches/{launch_id}/inbox HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


async def test_one_bot_s_polls_leave_others_and_probes_their_connections(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path, capacity=3) as bot, contextlib.AsyncExitStack() as stack:
        for _ in range(MANY):
            with contextlib.suppress(OSError, TimeoutError):
                wire: Wire = await stack.enter_async_context(connected(bot.controller.url_for_bots))
                await wire.send(poll(bot))
        async with httpx.AsyncClient(base_url=bot.controller.url_for_bots, timeout=5) as other:
            statuses = [(await other.get("/livez")).status_code for _ in range(3)]

        assert statuses == [200] * 3
        # What it needs itself it still has.
        assert (await bot.report({"type": "turn"})).status_code == 200
