"""Checks of who a request comes from: by key, signed identity or session token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

from fastapi import Depends, Path, Request, Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError

from controller.core.errors import Forbidden, RuntimeUnavailable, SessionNotFound, Unauthorized
from controller.core.session import ANONYMOUS
from controller.core.tokens import split_token
from controller.web.auth import Identities, KeyScope, Starter, bearer_of, insist_on_scope
from controller.web.clients import UNKNOWN_CLIENT, one_client
from controller.web.models.values import UserId
from controller.web.routes.dependencies import ServicesDep
from controller.web.services import Services

_USER_ID: Final[TypeAdapter[str]] = TypeAdapter(UserId)

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
"""Only describes the key in the API's description: the gate decides."""

IdentityOf = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(
        HTTPBearer(
            scheme_name="identity",
            auto_error=False,
            bearerFormat="JWT",
            description="A JWT in which the web app names the user; see PODLINE_IDENTITY_KEYS_FILE.",
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
                "`room.token` from the session's own response. `sessionId` from /start appends it to the id, "
                "as `ID~TOKEN`, which may be used in the path instead."
            ),
        )
    ),
]


SessionIdInPath = Annotated[
    str,
    Path(
        description="The session's id. `sessionId` from `/start`, which is `ID~TOKEN`, also works.",
        examples=["cart-7f3a"],
    ),
]
OfferedIdInPath = Annotated[
    str,
    Path(
        description="`sessionId` from `/start`, unchanged: `ID~TOKEN`. Or the bare id, with `room.token` "
        "from the session's own response as the bearer.",
        examples=["cart-7f3a~TOKEN-OF-THE-CALLER"],
    ),
]


def requires(scope: KeyScope) -> params.Security:
    """Require a key with this scope."""

    async def check(request: Request, services: ServicesDep, _: KeyOf) -> None:
        with _failures_counted(request, services, bearer_of(request.headers)):
            services.gate.check(request.headers, scope)

    return params.Security(check, scopes=[str(scope)])


async def _may_start(request: Request, services: ServicesDep, _: KeyOf) -> None:
    if services.gate.asks_for_keys and not services.settings.access.public_start:
        with _failures_counted(request, services, bearer_of(request.headers)):
            key = services.gate.find(request.headers)
            if key is None or KeyScope.PUBLIC_START not in key.scopes:
                insist_on_scope(key, KeyScope.START)


may_start: Final = params.Security(_may_start, scopes=["start"])
"""Requires what a start would, and counts as none."""


async def may_read_metrics(request: Request, services: ServicesDep, _: KeyOf) -> None:
    """Require a key for metrics at the public port, if there are keys. The separate port needs none."""
    if services.settings.listeners.metrics_port is None and services.gate.asks_for_keys:
        with _failures_counted(request, services, bearer_of(request.headers)):
            services.gate.check(request.headers, KeyScope.READ)
        await covers_all_agents(request, services)


async def covers_all_agents(request: Request, services: ServicesDep) -> None:
    """Refuse a key that is limited to some agents where all of them are concerned."""
    if services.gate.access(request.headers).agents is not None:
        raise Forbidden("This key is limited to some agents, and this concerns all of them.")


async def bare_id(session_id: SessionIdInPath, request: Request, services: ServicesDep) -> str:
    """Return the id in the path without its token. A token must be valid if there is one."""
    return without_token(session_id, request, services)


def without_token(session_id: str, request: Request, services: Services) -> str:
    """Return a session's id without its token. Raises SessionNotFound if there is an invalid one."""
    bare, token = split_token(session_id)
    if token is not None and not services.holds(bare, token):
        services.failures.take(_client(request), services.clock.monotonic())
        raise SessionNotFound(bare)
    return bare


SessionIdDep = Annotated[str, Depends(bare_id)]


async def offered_session(
    session_id: OfferedIdInPath, request: Request, services: ServicesDep, _: SessionTokenOf
) -> str:
    """Return the session that an offer is for. Its token is required; no key replaces it.

    Without one, the response does not even reveal whether the session exists.
    """
    bare, in_path = split_token(session_id)
    token = bearer_of(request.headers) if in_path is None else in_path
    if token is not None and services.holds(bare, token):
        services.offers.take(bare, services.clock.monotonic())
        return bare
    if (not_ready_reason := services.runtime.not_ready_reason()) is not None:
        # It may be a session that has not been adopted yet.
        raise RuntimeUnavailable(not_ready_reason)
    with _failures_counted(request, services, token):
        raise Unauthorized(
            "An offer needs the current token of its session: `sessionId` from /start, unchanged, or "
            "`room.token` as `Authorization: Bearer TOKEN`. Start a session to get one."
        )


async def starter(request: Request, services: ServicesDep, _: KeyOf, __: IdentityOf) -> Starter:
    """Return who asks for a session at /start: a key's holder, a named user or an anonymous caller."""
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
    # Before the signature is checked, because checking one costs more than sending a wrong one.
    services.starts.take(_client(request), services.clock.monotonic())
    subject = identities.subject(bearer, services.clock.now().timestamp())
    try:
        user_id = _USER_ID.validate_python(subject)
    except ValidationError:
        raise Unauthorized(
            "The signed identity is refused: its sub must be 1 to 128 printable characters."
        ) from None
    # A user whom the web app calls anonymous shares the limit of their address with all others there.
    return Starter(is_public=True) if user_id == ANONYMOUS else Starter(user_id=user_id)


@contextmanager
def _failures_counted(request: Request, services: Services, guess: str | None) -> Iterator[None]:
    """Limit how often an address may guess keys and tokens. Requests with valid ones are never delayed."""
    try:
        yield
    except Unauthorized:
        if guess is not None:
            services.failures.take(_client(request), services.clock.monotonic())
        raise


def address_tags(request: Request, services: Services) -> tuple[str, ...]:
    """Return the tags that stand for the client's address in records."""
    return services.signer.address_tags(_client(request))


def _client(request: Request) -> str:
    return one_client(request.client.host) if request.client else UNKNOWN_CLIENT
