"""Podline's server, served in this process."""

from __future__ import annotations

import asyncio

from controller.web.http.server import Server


async def started(server: Server) -> asyncio.Task[None]:
    """Serve, and return what serves once requests are accepted. A server that can't start is an error."""
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), "the server ended before it had started"
        await asyncio.sleep(0.005)  # seen from outside only
    return serving
