"""Dependencies of routes, and checks of a request that need no key."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from starlette.requests import ClientDisconnect

from controller.core.tokens import split_token
from controller.observe.logs import session_at_work
from controller.supervision.supervisor import Supervisor
from controller.web.auth import AgentAccess, insist_on_json
from controller.web.services import Services
from controller.web.visible_sessions import VisibleSessions

T = TypeVar("T")


async def get_services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(get_services)]


async def get_supervisor(services: ServicesDep) -> Supervisor:
    return services.supervisor


SupervisorDep = Annotated[Supervisor, Depends(get_supervisor)]


async def get_access(request: Request, services: ServicesDep) -> AgentAccess:
    return services.gate.access(request.headers)


AccessDep = Annotated[AgentAccess, Depends(get_access)]


async def get_sessions(services: ServicesDep, access: AccessDep) -> VisibleSessions:
    return VisibleSessions(services.supervisor.registry, access)


SessionsDep = Annotated[VisibleSessions, Depends(get_sessions)]


async def note_session(request: Request, services: ServicesDep) -> None:
    """Add the session to all log lines of this request."""
    session_id, _ = split_token(request.path_params.get("session_id", ""))
    if record := services.supervisor.registry.find(session_id):
        session_at_work.set(record.session.id)


async def is_json(request: Request) -> None:
    """Require JSON's media type, even without a body, so that no form of a web page starts a bot."""
    insist_on_json(request.headers)


async def is_json_if_any(request: Request, services: ServicesDep) -> None:
    """Require JSON's media type, unless a caller with a key sends neither a body nor a type."""
    sends_nothing = "content-type" not in request.headers and not await request.body()
    if not (services.gate.asks_for_keys and sends_nothing):
        insist_on_json(request.headers)


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, but cancel it when the client disconnects: an abandoned offer must not bind the bot.

    Raises:
        ClientDisconnect: the client disconnected.
    """
    working = asyncio.create_task(work)
    # The body has been read: the only thing left to receive is the disconnect.
    disconnect = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, disconnect), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        disconnect.cancel()
