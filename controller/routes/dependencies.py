"""What routes are given: the supervisor, and the checks that stand before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.params import Depends as DependsMarker

from controller.auth import Keyring, KeyScope, bearer_of
from controller.clock import Clock
from controller.errors import ControllerError, InvalidRequest
from controller.ratelimit import RateLimit
from controller.runtime import Runtime
from controller.settings import Settings
from controller.supervisor import Supervisor
from controller.tokens import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the application is made of, put together once in `create_app`."""

    settings: Settings
    supervisor: Supervisor
    runtime: Runtime
    keyring: Keyring
    signer: Signer
    clock: Clock
    starts: RateLimit
    offers: RateLimit


def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


def get_supervisor(services: ServicesDep) -> Supervisor:
    return services.supervisor


SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]


def requires(scope: KeyScope) -> DependsMarker:
    """Only for holders of a key with this scope."""

    def check(request: Request, services: ServicesDep) -> None:
        services.keyring.check(bearer_of(request.headers), scope)
        if scope is KeyScope.START and services.keyring.is_open:
            _insist_on_json(request)

    return DependsMarker(check)


def may_start(request: Request, services: ServicesDep) -> None:
    """For holders of a key, and for everybody where the operator says so, within the rate limit."""
    _insist_on_json(request)
    if not services.settings.public_start:
        services.keyring.check(bearer_of(request.headers), KeyScope.START)
    elif not _has_key(request, services):
        services.starts.take(_client(request), services.clock.monotonic())


def may_offer(session_id: str, request: Request, services: ServicesDep) -> None:
    """For the caller of this session by their token; else as for a start."""
    _insist_on_json(request)
    bearer = bearer_of(request.headers)
    if bearer is not None and services.signer.is_offer_token(bearer, session_id):
        return
    if not services.settings.public_start:
        services.keyring.check(bearer, KeyScope.START)
    elif not _has_key(request, services):
        services.offers.take(_client(request), services.clock.monotonic())


def _has_key(request: Request, services: Services) -> bool:
    if services.keyring.is_open:
        return False
    try:
        services.keyring.check(bearer_of(request.headers), KeyScope.START)
    except ControllerError:
        return False
    return True


def _insist_on_json(request: Request) -> None:
    """A page of another site can send other types without asking the browser's leave, but not this one."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise InvalidRequest("Send the body as JSON, with the header `Content-Type: application/json`.")


def _client(request: Request) -> str:
    return request.client.host if request.client else "unknown"
