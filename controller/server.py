"""Uvicorn, with the bots' leave before the listeners': their last reports still find an open door."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import uvicorn
from fastapi import FastAPI

from controller.supervisor import Supervisor

_LOOK_SECONDS: Final = 0.1
"""How late a second Ctrl-C may be noticed."""


class Server(uvicorn.Server):
    """Serves until a signal, then lets all bots go and ends all streams. A second Ctrl-C cuts that short.

    It ends by itself when the supervisor has died, since only a restart mends that.
    """

    def __init__(
        self,
        app: FastAPI,
        supervisor: Supervisor,
        host: str,
        port: int,
        trusted_proxies: Sequence[str] = (),
        metrics_port: int | None = None,
    ) -> None:
        """Prepare; nothing is opened.

        Args:
            app: what to serve.
            supervisor: of that.
            host: address to listen on.
            port: likewise.
            trusted_proxies: those whose X-Forwarded-For is believed, addresses or networks.
            metrics_port: another port of the same address. Which path belongs to it the application says.
        """
        super().__init__(
            # What is still open once all streams have been ended is a client that does not read.
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                ws="none",
                # What breaks it is logged, and not taken for an application without a lifespan.
                lifespan="on",
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                # Longer than any bot or caller is silent between two requests.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._metrics_port = metrics_port
        self._supervisor = supervisor
        self._has_lost_supervisor = False

    @property
    def has_failed(self) -> bool:
        """Whether it came to its end, or never to its beginning, for want of a supervisor."""
        return self._has_lost_supervisor or not self.started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._metrics_port is not None and sockets is None:
            config = self.config
            metrics = uvicorn.Config(config.app, host=config.host, port=self._metrics_port, log_config=None)
            sockets = [config.bind_socket(), metrics.bind_socket()]
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        self._has_lost_supervisor = not self._supervisor.is_alive()
        return await super().on_tick(counter) or self._has_lost_supervisor

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        leaving = asyncio.create_task(self._supervisor.close())
        await asyncio.sleep(0)  # cancelled before its first step, it would send nobody home
        while not (leaving.done() or self.force_exit or self._has_lost_supervisor):
            await asyncio.wait([leaving], timeout=_LOOK_SECONDS)
        leaving.cancel()
        # What is left takes no time, and must be done: the runtime kills the bots that are still there.
        self.force_exit = False
        await super().shutdown(sockets)
