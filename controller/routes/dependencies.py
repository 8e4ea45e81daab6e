"""What routes are given: the supervisor, and the checks that stand before them."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import ClientDisconnect

from controller.auth import Gate, KeyScope, bearer_of, insist_on_json
from controller.clock import Clock
from controller.held import Held
from controller.ice import IceServers
from controller.logs import session_at_work
from controller.metrics import Metrics
from controller.ratelimit import RateLimit
from controller.request_metrics import RequestMetrics
from controller.routes.models import IceServerOut, SessionOut
from controller.runtime import Runtime
from controller.sessions import Session
from controller.settings import Settings
from controller.supervisor import Supervisor
from controller.tokens import Signer

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the application is made of, put together once in `create_app`."""

    settings: Settings
    supervisor: Supervisor
    runtime: Runtime
    gate: Gate
    signer: Signer
    ice: IceServers
    clock: Clock
    starts: RateLimit
    offers: RateLimit
    held: Held
    metrics: Metrics
    requests: RequestMetrics

    def shown(
        self,
        session: Session,
        caller_token: str | None = None,
        ice_servers: list[IceServerOut] | None = None,
    ) -> SessionOut:
        """A session as the API shows it."""
        return SessionOut.of(session, self.metrics.prices, caller_token, ice_servers)

    def ice_servers(self, session: Session) -> list[IceServerOut] | None:
        """For the caller of a session that has not ended; None where there are none."""
        if session.phase.is_end:
            return None
        longest = self.supervisor.limits.backstop(session.max_duration_seconds)
        servers = self.ice.for_session(session.id, longest)
        return [IceServerOut.model_validate(each) for each in servers] or None


async def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_supervisor(services: ServicesDep) -> Supervisor:
    return services.supervisor


SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]


KeyOf = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="key",
            auto_error=False,
            description=(
                "A key from PODLINE_KEYS_FILE with the scope that is named, or with `admin`. "
                "Without that file none is asked for, and this machine alone is served."
            ),
        )
    ),
]
"""Only describes: the gate decides."""

OfferTokenOf = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="offer_token",
            auto_error=False,
            description="`room.token` of the session's own answer.",
        )
    ),
]


def requires(scope: KeyScope) -> params.Security:
    """Only for those who may do what `scope` says."""

    async def check(request: Request, services: ServicesDep, _: KeyOf) -> None:
        services.gate.check(request.headers, scope)

    return params.Security(check, scopes=[str(scope)])


async def note_session(request: Request, services: ServicesDep) -> None:
    """Let lines of the log that this request causes name the session it is about."""
    if record := services.supervisor.view.find(request.path_params.get("session_id", "")):
        session_at_work.set(record.session.id)


async def is_json(request: Request, services: ServicesDep) -> None:
    """A body says that it is JSON. Without keys a missing body must as well, so that no form starts a bot."""
    if not services.gate.asks_for_keys or await request.body():
        insist_on_json(request.headers)


async def may_start(request: Request, services: ServicesDep, _: KeyOf) -> None:
    """As for any start; and for everybody, at a moderate rate, where the operator says so."""
    _check_public(request, services, services.starts)


async def may_offer(
    session_id: str, request: Request, services: ServicesDep, _: KeyOf, __: OfferTokenOf
) -> None:
    """For the caller of this session by their token; else as for a start."""
    bearer = bearer_of(request.headers)
    if bearer is None or not services.signer.is_offer_token(bearer, session_id):
        _check_public(request, services, services.offers)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, but give it up when the client hangs up: an offer nobody waits for must not bind the bot.

    Raises:
        ClientDisconnect: the client hung up.
    """
    working = asyncio.create_task(work)
    # The body has been read: all that can still come is that the client is gone.
    hanging_up = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, hanging_up), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        hanging_up.cancel()


def _check_public(request: Request, services: Services, limit: RateLimit) -> None:
    if not services.settings.public_start:
        services.gate.check(request.headers, KeyScope.START)
    elif not services.gate.knows(request.headers):
        limit.take(_client(request), services.clock.monotonic())


def _client(request: Request) -> str:
    return one_client(request.client.host) if request.client else "unknown"


def one_client(address: str) -> str:
    """Whom an address stands for: with IPv6 a subscriber has a network of 64 bits to choose from."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if ip.version == 4 else str(ipaddress.ip_network((ip, 64), strict=False))
