"""Uvicorn, with the bots' leave before the listeners': their last reports still find an open door."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from controller.supervisor import Supervisor


class Server(uvicorn.Server):
    """Serves the application until a signal, then lets all bots go, ends all streams, and closes."""

    def __init__(self, app: FastAPI, supervisor: Supervisor, host: str, port: int) -> None:
        super().__init__(
            # What is still open once all streams have been ended is a client that does not read.
            uvicorn.Config(
                app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
        )
        self._supervisor = supervisor

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._supervisor.close()
        await super().shutdown(sockets)
