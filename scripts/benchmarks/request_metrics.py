"""What counting and timing requests costs each of them: the same requests with and without the middleware."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from itertools import count
from statistics import median, quantiles
from typing import Any, Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.composition import compose
from controller.observe.metrics import Metrics
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

ROUNDS: Final = 60
"""One with and one without in turn, so that what else the machine does meets both."""
REQUESTS: Final = 50

Make = Callable[[], tuple[Scope, bytes]]


class _Unmeasured:
    """Replaces the middleware: the application unchanged."""

    def around(self, app: ASGIApp) -> ASGIApp:
        return app


async def measure() -> list[str]:
    """The figures, one a line. Requests come without a socket, as cheap as they can be."""
    many = 1_000_000
    settings = settings_of(capacity=many, sessions_per_user=many)
    app = compose(settings, fake_parts(metrics=Metrics(CollectorRegistry(), None)))
    measured = _entered(app)
    app.state.services = dataclasses.replace(app.state.services, requests=_Unmeasured())
    bare = _entered(app)
    async with app.router.lifespan_context(app):
        return [
            await _compare("GET /livez", lambda: (_scope("GET", "/livez"), b""), measured, bare),
            await _compare("POST /v1/sessions", _start(), measured, bare),
        ]


def _entered(app: FastAPI) -> ASGIApp:
    """The application with the middleware that it would be served with now."""
    stack = app.build_middleware_stack()

    async def entered(scope: Scope, receive: Receive, send: Send) -> None:
        await stack({**scope, "app": app}, receive, send)

    return entered


async def _compare(name: str, make: Make, measured: ASGIApp, bare: ASGIApp) -> str:
    with_, without = [], []
    for number in range(ROUNDS + 1):
        pair = await _seconds(measured, make), await _seconds(bare, make)
        if number:  # the first pair only warms up
            with_.append(pair[0])
            without.append(pair[1])
    more = [(one - other) * 1e6 for one, other in zip(with_, without, strict=True)]
    low, _, high = quantiles(more, n=4)
    ratio = median(one / other for one, other in zip(with_, without, strict=True))
    return (
        f"{name}: {median(more):.0f} us more when measured (quartiles {low:.0f} and {high:.0f}), "
        f"on {median(without) * 1e6:.0f} us of processor time: ratio {ratio:.2f}"
    )


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
