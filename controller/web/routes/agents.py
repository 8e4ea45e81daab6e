"""The routes of the older contract, kept field for field for web apps written against it."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from controller.core.errors import SessionConflict, SessionNotFound
from controller.web.auth import KeyScope
from controller.web.errors import UnsupportedMediaType
from controller.web.models import OwnRoom, SessionId, ShortText, StartSession, Strict, UserId
from controller.web.problems import refusals
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
    """A bot for a room that the web app created; `token` is the bot's."""

    room_url: ShortText
    token: ShortText
    user_id: UserId
    session_id: SessionId


class AgentStarted(BaseModel):
    """The bot was launched."""

    status: Literal["started"] = "started"
    session_id: str


class AgentStopped(BaseModel):
    """Whether there was a bot to stop. `/agents` lists it until it is confirmed gone."""

    status: Literal["stopped", "not_found"]


class Agent(BaseModel):
    """One running bot."""

    session_id: str
    user_id: str
    room_url: str | None


class RunningAgents(BaseModel):
    """All running bots."""

    agents: list[Agent]


class Health(BaseModel):
    """The controller is up; `active_agents` is how many bots are running."""

    status: Literal["healthy"] = "healthy"
    active_agents: int


@router.post(
    "/start-agent",
    dependencies=[requires(KeyScope.START), Depends(is_json)],
    responses=refusals(*OF_A_START, SessionConflict),
)
async def start_agent(body: StartAgent, services: ServicesDep, access: AccessDep) -> AgentStarted:
    """Launch one bot into the web app's room."""
    room = OwnRoom(url=body.room_url, token=body.token)
    request = StartSession(user_id=body.user_id, session_id=body.session_id, room=room)
    started = await services.supervisor.start(start_request_of(request, services, access))
    return AgentStarted(session_id=started.session.id)


@router.post(
    "/stop-agent/{session_id}",
    dependencies=[requires(KeyScope.STOP), Depends(is_json_if_any)],
    responses=refusals(*OF_ONE_SESSION, UnsupportedMediaType),
)
async def stop_agent(
    session_id: SessionIdDep, supervisor: SupervisorDep, visible: SessionsDep
) -> AgentStopped:
    """Ask one bot to end."""
    try:
        was_running = not visible.get(session_id).phase.is_end
        await supervisor.stop(session_id)
    except SessionNotFound:
        was_running = False
    return AgentStopped(status="stopped" if was_running else "not_found")


@router.get("/agents", dependencies=[requires(KeyScope.READ)], responses=refusals(*WITHOUT_THE_SCOPE))
async def list_agents(visible: SessionsDep) -> RunningAgents:
    """List all bots that are not confirmed gone."""
    return RunningAgents(
        agents=[
            Agent(session_id=each.id, user_id=each.user_id, room_url=each.room_url)
            for each in visible.running()
        ]
    )


@router.get("/health", dependencies=[requires(KeyScope.READ)], responses=refusals(*WITHOUT_THE_SCOPE))
async def read_health(visible: SessionsDep) -> Health:
    """Return how many bots are running."""
    return Health(active_agents=len(visible.running()))
