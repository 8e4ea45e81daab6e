"""Middleware that keeps bots and metrics on ports of their own, with nothing else on them."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from controller.web.errors import NotFound
from controller.web.problems import problem

METRICS: Final = "/metrics"
BOTS: Final = "/internal/"
PROBES: Final = ("/livez", "/readyz")
"""Served on the bots' port, where callers can't get in their way, and on the public one."""


class PathsByPort:
    """Passes on requests whose path belongs to their port, and answers 404 to others."""

    def __init__(self, app: ASGIApp, bots: int | None, metrics: int | None) -> None:
        """A port that is None has no listener: its paths are answered at any port."""
        self._app = app
        self._bots = bots
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._belongs(port_of(scope), scope["path"]):
            await problem(NotFound())(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _belongs(self, port: int | None, path: str) -> bool:
        if port is not None and port == self._metrics:
            return path == METRICS
        if port is not None and port == self._bots:
            return path.startswith(BOTS) or path in PROBES
        is_elsewhere = (self._metrics is not None and path == METRICS) or (
            self._bots is not None and path.startswith(BOTS)
        )
        return not is_elsewhere


def port_of(scope: Scope) -> int | None:
    """Return the port of our own socket, whatever the client or a proxy says."""
    server = scope.get("server")
    return server[1] if server else None
