"""What routes are given: the supervisor, and the checks that stand before them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request, Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect

from controller.core.errors import RuntimeUnavailable, SessionNotFound, Unauthorized
from controller.core.session import ANONYMOUS
from controller.core.tokens import split_token
from controller.observe.logs import session_at_work
from controller.supervision.supervisor import Supervisor
from controller.web.auth import (
    Identities,
    KeyScope,
    Starter,
    bearer_of,
    insist_on_json,
    insist_on_scope,
)
from controller.web.http.connections import NOBODY, one_client
from controller.web.routes.models import UserId
from controller.web.services import Services

T = TypeVar("T")

_USER_ID: Final[TypeAdapter[str]] = TypeAdapter(UserId)


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
                "A key from PODLINE_KEYS_FILE with the named scope or with `admin`. "
                "Without that file no key is needed, and only this machine is served."
            ),
        )
    ),
]
"""Only describes: the gate decides."""

IdentityOf = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="identity",
            auto_error=False,
            bearerFormat="JWT",
            description="A JWT by which the web app names the user; see PODLINE_IDENTITY_KEYS_FILE.",
        )
    ),
]

SessionTokenOf = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="session_token",
            auto_error=False,
            description=(
                "`room.token` of the session's own answer. `sessionId` of /start has it behind the id, as "
                "`ID~TOKEN`, which may stand in the path instead."
            ),
        )
    ),
]


def requires(scope: KeyScope) -> params.Security:
    """Only for those who may do what `scope` says."""

    async def check(request: Request, services: ServicesDep, _: KeyOf) -> None:
        with _failures_counted(request, services, bearer_of(request.headers)):
            services.gate.check(request.headers, scope)

    return params.Security(check, scopes=[str(scope)])


async def may_read_metrics(request: Request, services: ServicesDep, _: KeyOf) -> None:
    """At a port of their own metrics ask for no key; at the public one they do where others have keys."""
    if services.settings.listeners.metrics_port is None and services.gate.asks_for_keys:
        with _failures_counted(request, services, bearer_of(request.headers)):
            services.gate.check(request.headers, KeyScope.READ)


async def note_session(request: Request, services: ServicesDep) -> None:
    """Let lines of the log that this request causes name the session it is about."""
    session_id, _ = split_token(request.path_params.get("session_id", ""))
    if record := services.supervisor.registry.find(session_id):
        session_at_work.set(record.session.id)


async def is_json(request: Request) -> None:
    """A body says that it is JSON, and so does a missing one, so that no form of a web page starts a bot."""
    insist_on_json(request.headers)


async def is_json_if_any(request: Request, services: ServicesDep) -> None:
    """As `is_json`; but who has shown a key may send nothing at all."""
    sends_nothing = "content-type" not in request.headers and not await request.body()
    if not (services.gate.asks_for_keys and sends_nothing):
        insist_on_json(request.headers)


async def bare_id(session_id: str, request: Request, services: ServicesDep) -> str:
    """The session's id without its token, which must be right where there is one."""
    bare, token = split_token(session_id)
    if token is not None and not services.holds(bare, token):
        services.failures.take(_client(request), services.clock.monotonic())
        raise SessionNotFound(bare)
    return bare


SessionIdDep = Annotated[str, Depends(bare_id)]


async def offered_session(session_id: str, request: Request, services: ServicesDep, _: SessionTokenOf) -> str:
    """The session an offer is for, by its token, which nothing replaces.

    Whoever has none learns nothing, not even whether there is such a session.
    """
    bare, in_path = split_token(session_id)
    token = bearer_of(request.headers) if in_path is None else in_path
    if token is not None and services.holds(bare, token):
        services.offers.take(bare, services.clock.monotonic())
        return bare
    if (not_ready_reason := services.runtime.not_ready_reason()) is not None:
        # It may be one that is not found again yet.
        raise RuntimeUnavailable(not_ready_reason)
    with _failures_counted(request, services, token):
        raise Unauthorized(
            "An offer needs the current token of its session: `sessionId` of /start unchanged, or "
            "`room.token` as `Authorization: Bearer TOKEN`. Start a session to get one."
        )


async def starter(request: Request, services: ServicesDep, _: KeyOf, __: IdentityOf) -> Starter:
    """Who asks for a session at /start: a key's holder, a named user, nobody in particular."""
    bearer, key = bearer_of(request.headers), services.gate.find(request.headers)
    with _failures_counted(request, services, bearer):
        if services.identities is not None and key is None and (bearer or "").count(".") == 2:
            return _identified(services.identities, bearer or "", request, services)
        if not services.gate.asks_for_keys:
            return Starter(may_name=True)
        if bearer is None and services.settings.access.public_start:
            services.starts.take(_client(request), services.clock.monotonic())
            return Starter(is_public=True)
        if key is None or KeyScope.PUBLIC_START not in key.scopes or key.may(KeyScope.START):
            insist_on_scope(key, KeyScope.START)
            return Starter(may_name=True)
        services.starts.take(_client(request), services.clock.monotonic())
        services.public_keys.take(key.name, services.clock.monotonic())
        return Starter(is_public=True)


def _identified(identities: Identities, bearer: str, request: Request, services: Services) -> Starter:
    # Before the signature is checked, which costs more than to send a wrong one.
    services.starts.take(_client(request), services.clock.monotonic())
    subject = identities.subject(bearer, services.clock.now().timestamp())
    try:
        user_id = _USER_ID.validate_python(subject)
    except ValidationError:
        raise Unauthorized(
            "The signed identity is refused: its sub must be 1 to 128 printable characters."
        ) from None
    # Whom the web app calls nobody in particular shares the limit of their address with all such.
    return Starter(is_public=True) if user_id == ANONYMOUS else Starter(user_id=user_id)


@contextmanager
def _failures_counted(request: Request, services: Services, guess: str | None) -> Iterator[None]:
    """Let an address guess at keys and tokens at a moderate rate only. Who holds one is never held up."""
    try:
        yield
    except Unauthorized:
        if guess is not None:
            services.failures.take(_client(request), services.clock.monotonic())
        raise


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


def address_tags(request: Request, services: Services) -> tuple[str, ...]:
    """What the client's address is known by in records."""
    return services.signer.address_tags(_client(request))


def _client(request: Request) -> str:
    return one_client(request.client.host) if request.client else NOBODY
