"""The route by which Pipecat's own clients and our page start a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Security
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from controller.core.errors import (
    InvalidRequest,
    RateLimited,
)
from controller.core.tokens import with_token
from controller.web.auth import Starter
from controller.web.models import (
    MAX_BODY_BYTES,
    AgentName,
    IceServerOut,
    StartSession,
    UserId,
    at_most,
)
from controller.web.problems import refusals
from controller.web.routes.dependencies import AccessDep, ServicesDep, is_json, note_session
from controller.web.routes.refusals import OF_A_START
from controller.web.routes.security import address_tags, starter
from controller.web.routes.start_requests import start_request_of

router = APIRouter(tags=["Pipecat's clients"], dependencies=[Depends(note_session)])


class StartDetails(BaseModel):
    """What the bot receives as `runner_args.body`. Podline itself reads only the user."""

    model_config = ConfigDict(extra="allow")

    user_id: UserId | None = None


class StartBody(BaseModel):
    """What a client asks for. Fields for other launchers are ignored."""

    model_config = ConfigDict(extra="ignore")

    agent: AgentName | None = None
    transport: str | None = None
    body: Annotated[StartDetails | None, BeforeValidator(at_most(MAX_BODY_BYTES))] = None


class IceConfig(BaseModel):
    """Servers through which the client may be reached."""

    iceServers: list[IceServerOut]  # noqa: N815 - the browser's name


class StartAnswer(BaseModel):
    """How the client continues. Fields that don't apply are left out, because clients only check for keys."""

    sessionId: str = Field(  # noqa: N815 - Pipecat's name
        description="The session's id and the caller's token, as `ID~TOKEN`. Send offers to it unchanged."
    )
    iceConfig: IceConfig | None = None  # noqa: N815 - likewise
    dailyRoom: str | None = None  # noqa: N815 - likewise
    dailyToken: str | None = None  # noqa: N815 - likewise
    url: str | None = Field(default=None, description="LiveKit's URL.")
    token: str | None = Field(default=None, description="The caller's token for the LiveKit room.")


@router.post(
    "/start",
    dependencies=[Depends(is_json)],
    response_model_exclude_none=True,
    responses=refusals(*OF_A_START, RateLimited),
)
async def start(
    request: Request,
    services: ServicesDep,
    access: AccessDep,
    by: Annotated[Starter, Security(starter, scopes=["start"])],
    body: Annotated[StartBody | None, Body()] = None,
) -> StartAnswer:
    """Start a session, and return how to continue."""
    asked = body or StartBody()
    _insist_on_provider(asked, services.supervisor.provider)
    user_id = by.user(asked.body.user_id if asked.body else None, services.anonymous_name())
    details = asked.body.model_dump(exclude_unset=True) if asked.body else None
    start_request = start_request_of(
        StartSession(user_id=user_id, agent=asked.agent, body=details or None), services, access
    )
    if by.is_public:
        start_request = replace(start_request, address_tags=address_tags(request, services))
    started = await services.supervisor.start(start_request)
    session = started.session
    token = services.signer.session_token(session.id, session.launch_id)
    answer = StartAnswer(sessionId=with_token(session.id, token))
    match services.supervisor.provider:
        case "daily":
            answer.dailyRoom, answer.dailyToken = session.room_url, started.caller_token
        case "livekit":
            answer.url, answer.token = session.room_url, started.caller_token
        case _ if servers := services.ice_servers(session):
            answer.iceConfig = IceConfig(iceServers=servers)
    return answer


def _insist_on_provider(asked: StartBody, provider: str) -> None:
    if asked.transport not in (None, provider):
        raise InvalidRequest(f"transport: this controller supports only {provider!r}.")
