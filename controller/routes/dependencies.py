"""What routes are given: the supervisor, and the checks that stand before them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, params
from starlette.requests import ClientDisconnect

from controller.auth import Gate, KeyScope, bearer_of
from controller.clock import Clock
from controller.ratelimit import RateLimit
from controller.runtime import Runtime
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
    clock: Clock
    starts: RateLimit
    offers: RateLimit


async def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_supervisor(services: ServicesDep) -> Supervisor:
    return services.supervisor


SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]


def requires(scope: KeyScope) -> params.Depends:
    """Only for those who may do what `scope` says."""

    async def check(request: Request, services: ServicesDep) -> None:
        services.gate.check(request.headers, scope)

    return params.Depends(check)


async def may_start(request: Request, services: ServicesDep) -> None:
    """As for any start; and for everybody, at a moderate rate, where the operator says so."""
    _check_public(request, services, services.starts)


async def may_offer(session_id: str, request: Request, services: ServicesDep) -> None:
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
    return request.client.host if request.client else "unknown"
