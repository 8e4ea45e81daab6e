"""The web application: routes, middleware, and the one error handler."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp

from controller.core.errors import ControllerError
from controller.core.primitives.addresses import is_loopback
from controller.core.tracing import Tracing
from controller.replicas.headers import OF_ITS_OWN
from controller.replicas.replica import Replica
from controller.settings import Settings
from controller.web.middleware.body_limit import BodyLimit
from controller.web.middleware.browsers import readable_by, restricted
from controller.web.middleware.from_replicas import FromReplicas
from controller.web.middleware.leader_only import LeaderOnly
from controller.web.middleware.own_pages import OwnPagesOnly
from controller.web.middleware.ports import PathsByPort
from controller.web.openapi.document import TAGS, completed
from controller.web.pipecat_cloud.routes import ROUTERS as PIPECAT_CLOUD
from controller.web.problems import answer_error
from controller.web.routes import (
    agent_list,
    agents,
    deployments,
    docs,
    drain,
    health,
    launches,
    metrics,
    offers,
    page,
    sessions,
    start,
    usage_of_sessions,
)
from controller.web.services import Services
from podline.contract.version import VERSION

MAX_BODY_BYTES: Final = 64 * 1024
PAGE: Final = Path(__file__).parent / "page"
_GROUPS: Final = (
    sessions,
    agent_list,
    deployments,
    drain,
    start,
    page,
    offers,
    agents,
    launches,
    usage_of_sessions,
    health,
    metrics,
)
ROUTERS: Final = (*(group.router for group in _GROUPS), *PIPECAT_CLOUD)
ROUTES: Final = tuple(route for router in ROUTERS for route in router.routes if isinstance(route, Route))


class Application(FastAPI):
    """FastAPI, with its description showing our errors, and our headers on each answer."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = completed(super().openapi())
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Put our middleware outside the framework's, the outermost of which answers unforeseen errors."""
        services: Services = self.state.services
        listeners = services.settings.listeners
        app: ASGIApp = OwnPagesOnly(
            readable_by(super().build_middleware_stack(), listeners.cors_origins),
            origins=listeners.cors_origins,
            own_url=listeners.public_url,
            has_keys=services.gate.asks_for_keys,
            # On other hosts Prometheus may use any name or address of the port.
            keyless_port=listeners.metrics_port if is_loopback(listeners.host) else None,
        )
        app = restricted(app, _page_connects_to(services.settings))
        app = PathsByPort(app, listeners.bots_port, listeners.metrics_port)
        app = services.requests.around(app)
        app = LeaderOnly(
            app,
            services.replica,
            services.forwarder,
            services.proxied.proxied,
            bots_port=listeners.bots_port,
            limit_bytes=MAX_BODY_BYTES,
        )
        replicas = services.settings.replicas
        return FromReplicas(
            app,
            port=None if replicas.address is None else replicas.port,
            listeners={
                "public": listeners.port,
                "bots": listeners.bots_port,
                OF_ITS_OWN: listeners.bots_port,
            },
            is_replica_token=services.signer.is_replica_token,
        )


def _page_connects_to(settings: Settings) -> str | None:
    """Return where our page meets callers and bots, besides this server."""
    livekit = settings.livekit
    return (livekit.public_url or livekit.url) if settings.rooms.kind == "livekit" else None


def create_app(services: Services, tracing: Tracing) -> FastAPI:
    """Return the application, ready to be served. Bots are tracked while its lifespan lasts."""
    app = Application(
        title="Podline",
        lifespan=_lifespan,
        # Ours are in routes/docs.py: FastAPI's pages would load scripts from other sites.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        openapi_tags=TAGS,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        version=VERSION,
        telemetry=tracing.of_requests,
    )
    app.state.services = services
    app.add_middleware(BodyLimit, limit_bytes=MAX_BODY_BYTES)
    for router in ROUTERS:
        app.include_router(router)
    if services.has_docs:
        app.include_router(docs.router)
    for kind in (ControllerError, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, answer_error)
    if services.has_page:
        app.frontend("/", directory=PAGE, fallback=None, check_dir=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    replica: Replica = app.state.services.replica
    async with app.state.services.forwarder, asyncio.TaskGroup() as tasks:
        running = tasks.create_task(replica.run())
        await replica.started.wait()
        yield
        await replica.close()
        running.cancel()
