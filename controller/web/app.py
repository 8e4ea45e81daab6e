"""Puts the application together: services, routes, middleware, and the one error handler."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp
from uuid_utils import uuid7

from controller.core.addresses import is_loopback
from controller.core.clock import Clock
from controller.core.credentials import Credentials
from controller.core.deadlines import Limits
from controller.core.errors import ControllerError
from controller.core.rooms import Rooms
from controller.core.runtime import Runtime
from controller.core.session import ANONYMOUS
from controller.core.tokens import Signer
from controller.core.tracing import Tracing, Untraced
from controller.observe.gauges import SessionGauges
from controller.observe.metrics import Metrics
from controller.rooms.ice import IceServers
from controller.settings import Settings
from controller.supervision.assignment import Assigner, Personas
from controller.supervision.registry import SessionRegistry
from controller.supervision.supervisor import Supervisor
from controller.web.auth import Gate, Identities, Key
from controller.web.middleware.body_limit import BodyLimit
from controller.web.middleware.browsers import restricted
from controller.web.middleware.own_pages import OwnPagesOnly
from controller.web.middleware.ports import Ports
from controller.web.middleware.request_metrics import RequestMetrics
from controller.web.offer_limit import OfferLimit
from controller.web.problems import answer_error, complete
from controller.web.rate_limit import RateLimit
from controller.web.routes import agents, health, launches, metrics, sessions, start
from controller.web.routes.dependencies import Services
from podline.contract.version import VERSION

MAX_BODY_BYTES: Final = 64 * 1024
PAGE: Final = Path(__file__).parent / "page"
_GROUPS: Final = (sessions, start, agents, launches, health, metrics)
_OFFERS_PER_START: Final = 6
"""A client offers once, retries three times, and sends its candidates in a few batches."""
_FAILURES_PER_MINUTE: Final = 60
"""How often one address may come with a key or a token that is none."""
_CANDIDATES_HELD_FOR_ONE: Final = 4
"""Requests: a client sends its candidates in a few batches, one after the other."""


class Application(FastAPI):
    """FastAPI, with errors described as they are answered here, and our headers on each answer."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Ours stand outside the framework's, whose outermost answers what nobody has foreseen."""
        services: Services = self.state.services
        listeners = services.settings.listeners
        app: ASGIApp = OwnPagesOnly(
            super().build_middleware_stack(),
            origins=listeners.cors_origins,
            own_url=listeners.public_url,
            has_keys=services.gate.asks_for_keys,
            # Elsewhere Prometheus comes by whatever name or address the port has.
            keyless_port=listeners.metrics_port if is_loopback(listeners.host) else None,
        )
        app = restricted(app, listeners.cors_origins)
        app = Ports(app, listeners.bots_port, listeners.metrics_port)
        return services.requests.around(app)


def create_app(  # noqa: PLR0913 - what it is put together from
    settings: Settings,
    runtime: Runtime,
    rooms: Rooms,
    signer: Signer,
    keys: Sequence[Key] | None,
    clock: Clock,
    metrics: Metrics,
    *,
    tracing: Tracing | None = None,
    identities: Identities | None = None,
    credentials: Credentials | None = None,
) -> FastAPI:
    """The application, ready to be served. Bots are followed while its lifespan lasts."""
    tracing = tracing or Untraced()
    services = _services(
        settings,
        runtime,
        rooms,
        signer,
        keys,
        clock,
        metrics,
        tracing=tracing,
        identities=identities,
        credentials=credentials,
    )
    app = Application(
        title="Podline",
        lifespan=_lifespan,
        # The pages of documentation would load their scripts from outside.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        version=VERSION,
        telemetry=tracing.of_requests,
    )
    app.state.services = services
    app.add_middleware(BodyLimit, limit_bytes=MAX_BODY_BYTES)
    for group in _GROUPS:
        app.include_router(group.router)
    for kind in (ControllerError, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, answer_error)
    if keys is None or settings.access.public_start:
        app.frontend("/", directory=PAGE, fallback=None, check_dir=False)
    return app


def _services(  # noqa: PLR0913 - likewise
    settings: Settings,
    runtime: Runtime,
    rooms: Rooms,
    signer: Signer,
    keys: Sequence[Key] | None,
    clock: Clock,
    metrics: Metrics,
    *,
    tracing: Tracing,
    identities: Identities | None,
    credentials: Credentials | None,
) -> Services:
    limits, webrtc = settings.limits, settings.webrtc
    turn_secret = webrtc.turn_secret.get_secret_value() if webrtc.turn_secret else None
    ice = IceServers(clock.now, webrtc.ice_servers, turn_secret)
    supervisor = Supervisor(
        runtime=runtime,
        rooms=rooms,
        registry=SessionRegistry(
            limits.capacity, limits.sessions_per_user, limits.anonymous_sessions_per_address
        ),
        assigner=Assigner(
            controller_url=settings.listeners.url_for_bots,
            grace_seconds=limits.grace_seconds,
            personas=Personas(directory=settings.bots.personas),
            signer=signer,
            ice=ice,
            refuse_private_candidates=webrtc.refuse_private_candidates,
        ),
        limits=Limits(
            start_timeout=limits.start_timeout_seconds,
            grace=limits.grace_seconds,
            silence=limits.silence_seconds,
        ),
        keep_ended_seconds=limits.keep_ended_seconds,
        clock=clock,
        new_id=lambda: str(uuid7()),
        metrics=metrics,
        tracing=tracing,
        credentials=credentials,
    )
    held = OfferLimit(_CANDIDATES_HELD_FOR_ONE)
    metrics.registry.register(
        SessionGauges(supervisor.registry.counts, lambda: held.total, supervisor.not_ready_reason, VERSION)
    )
    routes = [each for group in _GROUPS for each in group.router.routes if isinstance(each, Route)]
    requests = RequestMetrics(metrics.registry, routes, metrics.batch_refused, clock.monotonic)
    starts = settings.access.public_starts_per_minute
    return Services(
        settings=settings,
        supervisor=supervisor,
        runtime=runtime,
        gate=Gate(keys),
        signer=signer,
        ice=ice,
        clock=clock,
        identities=identities,
        anonymous_name=lambda: f"{ANONYMOUS}-{secrets.token_hex(8)}",
        starts=RateLimit(starts),
        public_keys=RateLimit(settings.access.public_key_starts_per_minute),
        offers=RateLimit(starts * _OFFERS_PER_START),
        failures=RateLimit(_FAILURES_PER_MINUTE),
        held=held,
        metrics=metrics,
        requests=requests,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    supervisor: Supervisor = app.state.services.supervisor
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(supervisor.run())
        await supervisor.started.wait()
        yield
        await supervisor.close()
        running.cancel()
