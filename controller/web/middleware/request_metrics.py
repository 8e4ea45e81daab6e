"""Middleware that counts and times requests by the template of their route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.core.limits import LimitName
from controller.observe.requests import CODE_IN_SCOPE, LIMIT_IN_SCOPE, START_PATHS

REPORTS: Final = "/internal/launches/{launch_id}/reports"

_EXPECTED: Final = (
    ("capacity_reached", LimitName.CAPACITY),
    ("capacity_reached", LimitName.AGENT),
    ("capacity_reached", LimitName.MODEL_KEY),
    ("capacity_reached", LimitName.ROOM_PROVIDER),
    ("user_limit_reached", LimitName.USER),
    ("user_limit_reached", LimitName.ADDRESS),
    ("rate_limited", ""),
    ("origin_not_allowed", ""),
    ("agent_not_configured", ""),
    ("runtime_unavailable", ""),
    ("rooms_unavailable", ""),
    ("shutting_down", ""),
)
"""Codes and limits shown from the start, so that the first refusal is an increase."""

_BEFORE_ROUTES: Final = (
    "malformed_request",
    "request_timeout",
    "url_too_long",
    "headers_too_large",
    "too_many_connections",
    "connections_exhausted",
)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """Counts and times requests of an application."""

    def __init__(
        self,
        registry: CollectorRegistry,
        routes: Sequence[Route],
        refused_batch: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            registry: where to count.
            routes: all routes; any other request is for a page, or for nothing.
            refused_batch: called for each report that was refused.
            monotonic: seconds.
        """
        self._templates = [(route.path_regex, route.path) for route in routes]
        self._refused_batch = refused_batch
        self._monotonic = monotonic
        self._requests = Counter(
            "podline_requests", "Requests answered.", ("method", "route", "code"), registry=registry
        )
        self._seconds = Histogram(
            "podline_request_duration_seconds",
            "Time until a response began.",
            ("method", "route"),
            registry=registry,
            buckets=_SECONDS,
        )
        self._refusals = Counter(
            "podline_session_refusals", "Starts that were refused.", ("code", "limit"), registry=registry
        )
        self._connection_refusals = Counter(
            "podline_connection_refusals",
            "Connections and requests refused before a route was chosen.",
            ("code",),
            registry=registry,
        )
        for code in _BEFORE_ROUTES:
            self._connection_refusals.labels(code)
        for code, limit in _EXPECTED:
            self._refusals.labels(code, limit)

    def connection_refused(self, code: str) -> None:
        """Count a refusal by the code of its error."""
        self._connection_refusals.labels(code).inc()

    def around(self, app: ASGIApp) -> ASGIApp:
        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began = self._monotonic()

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self._note(scope, message["status"], self._monotonic() - began)
                await send(message)

            await app(scope, receive, send_and_note)

        return measured

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = self._template(scope, status)
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if method == "POST" and route in START_PATHS and (code := scope.get(CODE_IN_SCOPE)):
            self._refusals.labels(code, scope.get(LIMIT_IN_SCOPE) or "").inc()
        if route == REPORTS and 400 <= status < 500:
            self._refused_batch()

    def _template(self, scope: Scope, status: int) -> str:
        """Return the route's path. A body that is too large is refused before a route is chosen."""
        if (route := scope.get("route")) is not None:
            return str(route.path)
        for pattern, template in self._templates:
            if pattern.match(scope["path"]):
                return template
        return "page" if status < 400 else "none"
