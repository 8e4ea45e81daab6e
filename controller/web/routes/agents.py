"""The routes of the older contract, kept field for field for web apps written against it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends

from controller.core.errors import SessionConflict, SessionNotFound
from controller.web.auth import KeyScope
from controller.web.errors import UnsupportedMediaType
from controller.web.models.documented import Documented, Strict
from controller.web.models.requests import OwnRoom, StartSession
from controller.web.models.values import SessionId, ShortText, UserId
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import (
    AccessDep,
    ServicesDep,
    SessionsDep,
    SupervisorDep,
    is_json,
    is_json_if_any,
    note_session,
)
from controller.web.routes.refusals import OF_A_START, OF_ONE_SESSION, WITHOUT_THE_SCOPE
from controller.web.routes.security import SessionIdDep, requires
from controller.web.routes.start_requests import start_request_of

router = APIRouter(tags=["older contract"], dependencies=[Depends(note_session)])


class StartAgent(Strict):
    """A bot for a room that the web app created."""

    room_url: ShortText
    """The room's address. It must belong to the provider that the controller is set up with."""
    token: ShortText
    """The token with which the bot joins."""
    user_id: UserId
    """The user whom the session is for."""
    session_id: SessionId
    """An id of your choice, which makes the request safe to repeat."""


class AgentStarted(Documented):
    """The bot was launched."""

    status: Literal["started"] = "started"
    """Always `started`."""
    session_id: str
    """The id in the request."""


class AgentStopped(Documented):
    """Whether there was a bot to stop."""

    status: Literal["stopped", "not_found"]
    """`stopped` if the bot was asked to end (`/agents` lists it until it is confirmed gone), `not_found` if
    the session is unknown or had ended."""


class Agent(Documented):
    """One running bot."""

    session_id: str
    """The id of its session."""
    user_id: str
    """The user that the bot talks to."""
    room_url: str | None
    """Its room's address; null until the room exists."""


class RunningAgents(Documented):
    """All running bots."""

    agents: list[Agent]
    """The bots that are not confirmed gone."""


class Health(Documented):
    """The controller is up."""

    status: Literal["healthy"] = "healthy"
    """Always `healthy`: a controller that can't be used answers at `/readyz`."""
    active_agents: int
    """How many bots are running."""


@router.post(
    "/start-agent",
    summary="Start a bot in your own room",
    response_description="The bot was launched.",
    dependencies=[requires(KeyScope.START), Depends(is_json)],
    responses=refusals(*OF_A_START, SessionConflict),
)
async def start_agent(body: StartAgent, services: ServicesDep, access: AccessDep) -> AgentStarted:
    """Launch one bot into a room that the web app created with the controller's room provider."""
    room = OwnRoom(url=body.room_url, token=body.token)
    request = StartSession(user_id=body.user_id, session_id=body.session_id, room=room)
    started = await services.supervisor.start(start_request_of(request, services, access))
    return AgentStarted(session_id=started.session.id)


@router.post(
    "/stop-agent/{session_id}",
    summary="Stop a bot",
    response_description="Whether there was a bot to stop.",
    dependencies=[requires(KeyScope.STOP), Depends(is_json_if_any)],
    responses=refusals(*OF_ONE_SESSION, UnsupportedMediaType),
)
async def stop_agent(
    session_id: SessionIdDep, supervisor: SupervisorDep, visible: SessionsDep
) -> AgentStopped:
    """Ask one bot to end. Safe to repeat. It needs no body."""
    try:
        was_running = not visible.get(session_id).phase.is_end
        await supervisor.stop(session_id)
    except SessionNotFound:
        was_running = False
    return AgentStopped(status="stopped" if was_running else "not_found")


@router.get(
    "/agents",
    summary="List the running bots",
    response_description="The running bots.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def list_agents(visible: SessionsDep) -> RunningAgents:
    """List all bots that are not confirmed gone."""
    return RunningAgents(
        agents=[
            Agent(session_id=each.id, user_id=each.user_id, room_url=each.room_url)
            for each in visible.running()
        ]
    )


@router.get(
    "/health",
    summary="Count the running bots",
    response_description="How many bots are running.",
    dependencies=[requires(KeyScope.READ)],
    responses=refusals(*WITHOUT_THE_SCOPE),
)
async def read_health(visible: SessionsDep) -> Health:
    """Return how many bots are running."""
    return Health(active_agents=len(visible.running()))
