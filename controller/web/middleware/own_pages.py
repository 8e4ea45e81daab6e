"""Middleware that keeps other sites' pages from using the controller through a visitor's browser."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.core.errors import ControllerError, Forbidden
from controller.core.primitives.addresses import is_loopback, split_url
from controller.web.errors import MAX_ORIGIN_CHARACTERS, OriginNotAllowed
from controller.web.middleware.ports import port_of
from controller.web.problems import problem
from podline.contract.text import printable

log = logging.getLogger("podline.web")

_MOST_LOGGED: Final = 32
"""Origins: whoever invents more can't fill the log."""

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site: from our own pages, and from a person at the address bar."""


class OwnPagesOnly:
    """Lets requests through to `app` from programs, our own pages, and pages of the listed origins.

    A browser lets any page send requests, also to this machine and under a name that the page's owner has
    pointed at our address (DNS rebinding). It does say where they come from. A refusal names that origin in
    the log, and its page may read why, unless that tells any site what runs on a visitor's machine.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        origins: Collection[str],
        own_url: str | None,
        has_keys: bool,
        keyless_port: int | None = None,
    ) -> None:
        """Prepare.

        Args:
            app: what to protect, whatever its routes are.
            origins: of other sites whose pages may use it.
            own_url: where callers reach it; None if any name will do.
            has_keys: without keys only this machine is served, and other pages may not even read.
            keyless_port: a port of this machine that asks for no key, whatever the others do.
        """
        self._app = app
        self._origins = frozenset(origins)
        self._own = urlsplit(own_url) if own_url else None
        self._has_keys = has_keys
        self._keyless_port = keyless_port
        self._logged: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        """Return what is answered instead of the app; None if the request passes."""
        headers = Headers(scope=scope)
        wanted = headers.get("access-control-request-method") if scope["method"] == "OPTIONS" else None
        refusal = self._refusal(scope, wanted or scope["method"])
        if refusal is None:
            return None
        if not isinstance(refusal, OriginNotAllowed) or (origin := headers.get("origin")) is None:
            return problem(refusal)
        self._log(origin)
        if not (self._asks_for_keys(scope) or _is_of_this_machine(origin)):
            return problem(refusal)
        readable = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        if wanted is None:
            return problem(refusal, readable)
        # The browser then sends the request, which is refused in words that the page can read.
        allowed = {
            "Access-Control-Allow-Methods": wanted,
            "Access-Control-Allow-Headers": headers.get("access-control-request-headers", ""),
        }
        return Response(status_code=204, headers=readable | allowed)

    def _log(self, origin: str) -> None:
        """Name an origin once, for the operator who forgot to list it; a flood of others is not logged."""
        if origin not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(origin)
            shown = printable(origin, MAX_ORIGIN_CHARACTERS)
            log.warning("origin not allowed", extra={"origin": shown, "setting": "PODLINE_CORS_ORIGINS"})

    def _asks_for_keys(self, scope: Scope) -> bool:
        port = port_of(scope)
        return self._has_keys and (port is None or port != self._keyless_port)

    def _refusal(self, scope: Scope, method: str) -> ControllerError | None:
        """Return why a request with this method is refused; None if it is not."""
        headers, has_keys = Headers(scope=scope), self._asks_for_keys(scope)
        host = split_url(f"//{headers.get('host', '')}")
        name = host.hostname if host is not None else None
        if not has_keys and (name is None or not is_loopback(name)):
            return Forbidden(
                "Without keys only this machine is served. Set PODLINE_KEYS_FILE to serve others."
            )
        if (method in _READING and has_keys) or self._is_let_in(method, headers, host):
            return None
        return OriginNotAllowed(headers.get("origin"), has_keys=has_keys)

    def _is_let_in(self, method: str, headers: Headers, host: SplitResult | None) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        is_own_site = site is None or site in _OWN_SITES
        if origin is None:
            # Other sites may link to our page.
            return is_own_site or (method in _READING and headers.get("sec-fetch-mode") == "navigate")
        page = split_url(origin)
        if origin.lower() in self._origins or (page is not None and self._is_own(page)):
            return True
        return is_own_site and page is not None and host is not None and self._is_here(page, host)

    def _is_own(self, page: SplitResult) -> bool:
        own = self._own
        return own is not None and (page.scheme, page.netloc.lower()) == (own.scheme, own.netloc.lower())

    def _is_here(self, page: SplitResult, host: SplitResult) -> bool:
        """Whether a page came from the address it sends to, and no other site can have chosen that name.

        Any name will do if ours is not known.
        """
        is_web = page.scheme in ("http", "https") and bool(page.hostname)
        is_named_by_us = (
            self._own is None or is_loopback(page.hostname or "") or page.hostname == self._own.hostname
        )
        return is_web and is_named_by_us and page.netloc.lower() == host.netloc.lower()


def _is_of_this_machine(origin: str) -> bool:
    page = split_url(origin)
    return page is not None and is_loopback(page.hostname or "")
