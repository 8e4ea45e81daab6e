"""Headers that limit what a browser may do with our answers, and which other sites' pages may read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    # As the page needs it. An API response that a browser is made to display may load nothing more.
    "Content-Security-Policy": (
        "default-src 'self'; media-src 'self' blob: mediastream:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT_SECONDS: Final = 600


def restricted(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Wrap `app`, and let pages of `origins`, and of no other site, read the answers.

    No credentials are allowed: callers send bearer tokens, and no cookie is ever set.
    """
    if origins:
        app = CORSMiddleware(
            app,
            allow_origins=origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Last-Event-ID"),
            expose_headers=("Retry-After",),
            max_age=_PREFLIGHT_SECONDS,
        )
    return _WithHeaders(app)


class _WithHeaders:
    """Adds our headers to each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)
