"""The routes of web apps: start, read, watch and stop sessions."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from controller.core.errors import InvalidRequest, RuntimeUnavailable, SessionConflict
from controller.web.auth import KeyScope
from controller.web.models.requests import ListSessions, ReadLogs, StartSession
from controller.web.models.sessions import SessionOut, SessionPage
from controller.web.openapi.refusals import refusals
from controller.web.readable import readable
from controller.web.routes.dependencies import AccessDep, ServicesDep, SessionsDep, is_json, note_session
from controller.web.routes.refusals import OF_A_START, OF_ONE_SESSION, WITHOUT_THE_SCOPE
from controller.web.routes.security import SessionIdDep, requires
from controller.web.routes.start_requests import start_request_of
from controller.web.services import Services
from controller.web.visible_sessions import VisibleSessions

router = APIRouter(prefix="/v1", tags=["sessions"], dependencies=[Depends(note_session)])

LastEventId = Annotated[
    str | None,
    Header(
        description="The id of the last event that the client has seen; browsers send it when they "
        "reconnect. The stream then begins with what has changed since. An unknown id counts as none.",
        examples=["5f0c8e-2"],
    ),
]
_OF_ONE: Final = refusals(*OF_ONE_SESSION)
_STARTED: Final = {
    200: {"model": SessionOut, "description": "The same request started this session before."},
    **refusals(*OF_A_START, SessionConflict),
}
_STOPPED: Final = {200: {"model": SessionOut, "description": "The session had already ended."}, **_OF_ONE}
_LOGS: Final = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    **refusals(*OF_ONE_SESSION, InvalidRequest, RuntimeUnavailable),
}


@router.post(
    "/sessions",
    summary="Start a session",
    status_code=201,
    response_description="The bot was launched. It has not joined yet.",
    dependencies=[requires(KeyScope.START), Depends(is_json)],
    responses=_STARTED,
)
async def start_session(
    body: StartSession, services: ServicesDep, access: AccessDep, response: Response
) -> SessionOut:
    """Launch one bot, and return where the caller meets it.

    The caller can join at once: the bot comes a moment later. A request with a `session_id` is safe to
    repeat, also after a lost response: it returns the same session and launches no second bot.
    """
    started = await services.supervisor.start(start_request_of(body, services, access))
    response.status_code = 201 if started.is_new else 200
    return services.shown(started.session, started.caller_token, services.ice_servers(started.session))


@router.get(
    "/sessions",
    summary="List sessions",
    response_description="A page of sessions.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE, InvalidRequest),
)
async def list_sessions(
    services: ServicesDep, visible: SessionsDep, query: Annotated[ListSessions, Query()]
) -> SessionPage:
    """List running sessions and those that ended and are still kept, newest first."""
    sessions, next_cursor = visible.page(query.wanted(), query.limit, query.cursor)
    return SessionPage(sessions=[services.shown(each) for each in sessions], next_cursor=next_cursor)


@router.get(
    "/sessions/{session_id}",
    summary="Read a session",
    response_description="The session.",
    dependencies=[requires(KeyScope.READ)],
    responses=_OF_ONE,
)
async def read_session(session_id: SessionIdDep, services: ServicesDep, visible: SessionsDep) -> SessionOut:
    """Return one session's current state: its phase, why it ended, what it used and what that cost."""
    return services.shown(visible.get(session_id))


@router.delete(
    "/sessions/{session_id}",
    summary="Stop a session",
    status_code=202,
    response_description="The bot was asked to end, now or before.",
    dependencies=[requires(KeyScope.STOP)],
    responses=_STOPPED,
)
async def stop_session(
    session_id: SessionIdDep, services: ServicesDep, visible: SessionsDep, response: Response
) -> SessionOut:
    """Ask the bot to end. The session is `stopping` until the bot is confirmed gone. Safe to repeat."""
    session = await services.supervisor.stop(visible.get(session_id).id)
    response.status_code = 200 if session.phase.is_end else 202
    return services.shown(session)


@router.get(
    "/sessions/{session_id}/logs",
    summary="Read a bot's log",
    response_description="The log as text.",
    dependencies=[requires(KeyScope.READ)],
    response_class=StreamingResponse,
    responses=_LOGS,
)
async def read_logs(
    session_id: SessionIdDep,
    services: ServicesDep,
    visible: SessionsDep,
    query: Annotated[ReadLogs, Query()],
) -> StreamingResponse:
    """Return the bot's output, with control characters escaped; with `follow`, until the bot is gone."""
    session = visible.get(session_id)
    logs = await services.runtime.logs(session.launch_id, follow=query.follow)
    return StreamingResponse(readable(logs), media_type="text/plain; charset=utf-8")


async def known_session(session_id: SessionIdDep, visible: SessionsDep) -> str:
    """Check that the session exists before its stream begins: after that no error can be returned."""
    return visible.get(session_id).id


@router.get(
    "/sessions/{session_id}/events",
    summary="Watch a session",
    response_description="Server-Sent Events, until the session is no longer kept.",
    dependencies=[requires(KeyScope.READ), Depends(known_session)],
    response_class=EventSourceResponse,
    responses=_OF_ONE,
)
async def watch_session(
    session_id: SessionIdDep,
    services: ServicesDep,
    visible: SessionsDep,
    last_event_id: LastEventId = None,
) -> AsyncIterable[ServerSentEvent]:
    """Stream one session: its current state, then the whole session again at each change.

    A comment every 15 seconds keeps the connection open.
    """
    async for event in _events(services, visible, session_id, last_event_id):
        yield event


@router.get(
    "/events",
    summary="Watch all sessions",
    response_description="Server-Sent Events, until the client disconnects.",
    dependencies=[requires(KeyScope.READ)],
    response_class=EventSourceResponse,
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def watch_sessions(
    services: ServicesDep, visible: SessionsDep, last_event_id: LastEventId = None
) -> AsyncIterable[ServerSentEvent]:
    """Stream all sessions: their current states, then each session as it changes.

    A comment every 15 seconds keeps the connection open.
    """
    async for event in _events(services, visible, None, last_event_id):
        yield event


async def _events(
    services: Services, visible: VisibleSessions, session_id: str | None, last_event_id: str | None
) -> AsyncIterator[ServerSentEvent]:
    async for event_id, session in visible.follow(session_id, last_event_id):
        yield ServerSentEvent(event="session", id=event_id, data=services.shown(session))
