"""Middleware that keeps metrics on a port of their own, with nothing else on it."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from controller.errors import NotFound
from controller.problems import problem

METRICS: Final = "/metrics"


class MetricsPort:
    """Answers as `app` does where port and path belong together."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (_port_of(scope) == self._port) != (scope["path"] == METRICS):
            await problem(NotFound())(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _port_of(scope: Scope) -> int | None:
    """Of our own socket, whatever the client or a proxy says."""
    server = scope.get("server")
    return server[1] if server else None
