"""Uvicorn, with the bots' leave before the listeners': their last reports still find an open door."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import uvicorn
from fastapi import FastAPI

from controller.supervisor import Supervisor

_LOOK_SECONDS: Final = 0.1
"""How late a second Ctrl-C may be noticed."""


class Server(uvicorn.Server):
    """Serves until a signal, then lets all bots go and ends all streams. A second Ctrl-C cuts that short."""

    def __init__(self, app: FastAPI, supervisor: Supervisor, host: str, port: int) -> None:
        super().__init__(
            # What is still open once all streams have been ended is a client that does not read.
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                ws="none",
                # Longer than any bot or caller is silent between two requests.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._supervisor = supervisor

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        leaving = asyncio.create_task(self._supervisor.close())
        while not leaving.done() and not self.force_exit:
            await asyncio.wait([leaving], timeout=_LOOK_SECONDS)
        leaving.cancel()
        # What is left takes no time, and must be done: the runtime kills the bots that are still there.
        self.force_exit = False
        await super().shutdown(sockets)
