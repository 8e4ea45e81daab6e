"""What counting and timing requests costs: the same requests with one such layer and with two."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Scope

from controller.composition import compose
from controller.observe.metrics import Metrics
from controller.web.app import ROUTES
from controller.web.middleware.request_metrics import RequestMetrics
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import MICROSECONDS, Comparison, Figure
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

REQUESTS: Final = 50
ONCE: Final = "measured"
TWICE: Final = "measured twice"
LIVENESS: Final = "processor time of GET /livez"
START: Final = "processor time of POST /v1/sessions"

FIGURES: Final = tuple(
    Figure(name, MICROSECONDS, (Comparison(TWICE, ONCE), Comparison(TWICE, ONCE, is_ratio=True)))
    for name in (LIVENESS, START)
)
"""The difference is what one layer costs: the other application has a second one around it."""

Make = Callable[[], tuple[Scope, bytes]]


@asynccontextmanager
async def applications() -> AsyncIterator[Mapping[str, ASGIApp]]:
    """Give the application as it is served, and the same with its requests counted and timed once more."""
    many = 1_000_000
    settings = settings_of(capacity=many, sessions_per_user=many)
    app = compose(settings, fake_parts(metrics=Metrics(CollectorRegistry(), None)))
    more = RequestMetrics(CollectorRegistry(), ROUTES, lambda: None, time.monotonic)
    async with app.router.lifespan_context(app):
        yield {ONCE: app, TWICE: more.around(app)}


async def measure(run: BenchRun, number: int, applications: Mapping[str, ASGIApp]) -> None:
    """Measure each request in each application. Requests come without a socket, as cheap as they can be."""
    for figure, make in _MAKES.items():
        for name, app in applications.items():
            run.sample(number, figure, name, await _seconds(app, make))


async def _seconds(app: ASGIApp, make: Make) -> float:
    """What one of some requests takes of the processor, whatever else that does meanwhile."""
    requests = [make() for _ in range(REQUESTS)]
    statuses = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    began = time.process_time()
    for scope, body in requests:

        async def receive(body: bytes = body) -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, receive, send)
    took = (time.process_time() - began) / REQUESTS
    assert set(statuses) <= {200, 201}, statuses  # noqa: S101 - a figure of refusals would be worth nothing
    return took


def _start() -> Make:
    numbers: Iterator[int] = count()

    def make() -> tuple[Scope, bytes]:
        body = json.dumps({"user_id": f"user-{next(numbers)}"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        return _scope("POST", "/v1/sessions", headers), body

    return make


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1:7860"), *(headers or [])],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 7860),
    }


_MAKES: Final[Mapping[str, Make]] = {LIVENESS: lambda: (_scope("GET", "/livez"), b""), START: _start()}
