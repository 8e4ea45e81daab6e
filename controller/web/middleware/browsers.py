"""Headers that limit what a browser may do with our answers, and which other sites' pages may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.core.primitives.addresses import split_url

HEADERS: Final = {
    # As the page needs it. An API response that a browser is made to display may load nothing more.
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob: mediastream:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_LIVEKIT_CLOUD: Final = ".livekit.cloud"
_PREFLIGHT_SECONDS: Final = 600


def readable_by(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Wrap `app`, and let pages of `origins` read the answers.

    No credentials are allowed: callers send bearer tokens, and no cookie is ever set.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=("GET", "POST", "PATCH", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
        expose_headers=("Retry-After",),
        max_age=_PREFLIGHT_SECONDS,
    )


def restricted(app: ASGIApp, livekit_url: str | None = None) -> ASGIApp:
    """Wrap `app`, and limit what browsers do with its answers. Our page may also connect to LiveKit."""
    headers = dict(HEADERS)
    if sources := _sources(livekit_url):
        headers["Content-Security-Policy"] += f"; connect-src 'self' {' '.join(sources)}"
    return _WithHeaders(app, headers)


def _sources(livekit_url: str | None) -> list[str]:
    """Return a LiveKit server as sources of a policy: its client uses HTTP too, to explain a refusal."""
    server = split_url(livekit_url) if livekit_url else None
    if server is None or server.hostname is None:
        return []
    # A client of LiveKit Cloud may be sent to another region.
    host = f"*{_LIVEKIT_CLOUD}" if server.hostname.endswith(_LIVEKIT_CLOUD) else server.netloc.lower()
    schemes = ("wss", "https") if server.scheme in ("wss", "https") else ("ws", "http")
    return [f"{scheme}://{host}" for scheme in schemes]


class _WithHeaders:
    """Adds our headers to each answer. A panel's own policy stays."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)
