"""The API for web apps: sessions are started, read, watched and stopped."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from controller.core.errors import (
    CapacityReached,
    Forbidden,
    InvalidRequest,
    ModelUnavailable,
    RoomsUnavailable,
    RuntimeUnavailable,
    SessionConflict,
    SessionNotFound,
    ShuttingDown,
    Unauthorized,
    UnsupportedMediaType,
    UserLimitReached,
)
from controller.web.auth import KeyScope
from controller.web.problems import refusals
from controller.web.readable import readable
from controller.web.routes.dependencies import (
    ServicesDep,
    SessionIdDep,
    SupervisorDep,
    is_json,
    note_session,
    requires,
)
from controller.web.routes.models import ListSessions, ReadLogs, SessionOut, SessionPage, StartSession
from controller.web.routes.start_requests import start_request_of
from controller.web.services import Services

router = APIRouter(prefix="/v1", tags=["sessions"], dependencies=[Depends(note_session)])

LastEventId = Annotated[str | None, Header()]
_OF_ONE: Final = refusals(Unauthorized, Forbidden, SessionNotFound)


@router.post(
    "/sessions",
    status_code=201,
    dependencies=[requires(KeyScope.START), Depends(is_json)],
    responses={
        200: {"model": SessionOut, "description": "The same request was made before"},
        **refusals(
            Unauthorized,
            Forbidden,
            SessionConflict,
            UnsupportedMediaType,
            InvalidRequest,
            CapacityReached,
            UserLimitReached,
            RuntimeUnavailable,
            ModelUnavailable,
            RoomsUnavailable,
            ShuttingDown,
        ),
    },
)
async def start_session(body: StartSession, services: ServicesDep, response: Response) -> SessionOut:
    """Launch one bot, and say where the caller meets it. It is launched when this answers, not yet joined."""
    started = await services.supervisor.start(start_request_of(body, services))
    response.status_code = 201 if started.is_new else 200
    return services.shown(started.session, started.caller_token, services.ice_servers(started.session))


@router.get(
    "/sessions",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(Unauthorized, Forbidden, InvalidRequest),
)
async def list_sessions(services: ServicesDep, query: Annotated[ListSessions, Query()]) -> SessionPage:
    """Sessions that run, and those that ended and are still kept; newest first."""
    sessions, next_cursor = services.supervisor.registry.page(
        query.phase, query.user_id, query.limit, query.cursor
    )
    return SessionPage(sessions=[services.shown(each) for each in sessions], next_cursor=next_cursor)


@router.get("/sessions/{session_id}", dependencies=[requires(KeyScope.READ)], responses=_OF_ONE)
async def read_session(session_id: SessionIdDep, services: ServicesDep) -> SessionOut:
    """One session as it stands."""
    return services.shown(services.supervisor.registry.get(session_id).session)


@router.delete(
    "/sessions/{session_id}",
    status_code=202,
    dependencies=[requires(KeyScope.STOP)],
    responses={200: {"model": SessionOut, "description": "It had ended before"}, **_OF_ONE},
)
async def stop_session(session_id: SessionIdDep, services: ServicesDep, response: Response) -> SessionOut:
    """Ask the bot to leave. The session is `stopping` until the bot has surely gone."""
    session = await services.supervisor.stop(session_id)
    response.status_code = 200 if session.phase.is_end else 202
    return services.shown(session)


@router.get(
    "/sessions/{session_id}/logs",
    dependencies=[requires(KeyScope.READ)],
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/plain": {}}},
        **refusals(Unauthorized, Forbidden, SessionNotFound, InvalidRequest, RuntimeUnavailable),
    },
)
async def read_logs(
    session_id: SessionIdDep, services: ServicesDep, query: Annotated[ReadLogs, Query()]
) -> StreamingResponse:
    """What the bot wrote, control characters as escapes; with `follow`, until it is gone."""
    session = services.supervisor.registry.get(session_id).session
    logs = await services.runtime.logs(session.launch_id, follow=query.follow)
    return StreamingResponse(readable(logs), media_type="text/plain; charset=utf-8")


async def known_session(session_id: SessionIdDep, supervisor: SupervisorDep) -> str:
    """The id of a session that is there: a stream that has begun can't be refused any more."""
    return supervisor.registry.get(session_id).session.id


@router.get(
    "/sessions/{session_id}/events",
    dependencies=[requires(KeyScope.READ), Depends(known_session)],
    response_class=EventSourceResponse,
    responses=_OF_ONE,
)
async def watch_session(
    session_id: SessionIdDep, services: ServicesDep, last_event_id: LastEventId = None
) -> AsyncIterable[ServerSentEvent]:
    """One session, first as it stands, then whole at each change. Events are named `session`."""
    async for event in _events(services, session_id, last_event_id):
        yield event


@router.get(
    "/events",
    dependencies=[requires(KeyScope.READ)],
    response_class=EventSourceResponse,
    responses=refusals(Unauthorized, Forbidden),
)
async def watch_sessions(
    services: ServicesDep, last_event_id: LastEventId = None
) -> AsyncIterable[ServerSentEvent]:
    """All sessions, first as they stand, then each whole at each change. Events are named `session`."""
    async for event in _events(services, None, last_event_id):
        yield event


async def _events(
    services: Services, session_id: str | None, last_event_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    async for event_id, session in services.supervisor.registry.follow(session_id, last_event_id):
        yield ServerSentEvent(event="session", id=event_id, data=services.shown(session))
