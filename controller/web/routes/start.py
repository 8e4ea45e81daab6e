"""The route by which Pipecat's own clients and our page start a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Security
from pydantic import BeforeValidator, ConfigDict

from controller.core.errors import (
    InvalidRequest,
    RateLimited,
)
from controller.core.start_request import StartRequest
from controller.core.tokens import with_token
from controller.web.auth import Starter
from controller.web.models.documented import Documented
from controller.web.models.requests import StartSession
from controller.web.models.sessions import IceServerOut
from controller.web.models.values import MAX_BODY_BYTES, AgentName, UserId, at_most
from controller.web.openapi.refusals import refusals
from controller.web.routes.dependencies import AccessDep, ServicesDep, is_json, note_session
from controller.web.routes.refusals import OF_A_START
from controller.web.routes.security import address_tags, starter
from controller.web.routes.start_requests import start_request_of
from controller.web.services import Services

router = APIRouter(tags=["Pipecat's clients"], dependencies=[Depends(note_session)])


class StartDetails(Documented):
    """What the bot receives as `runner_args.body`, with any fields that a client adds."""

    model_config = ConfigDict(extra="allow")

    user_id: UserId | None = None
    """The user whom the session is for, the only field that Podline itself reads. Naming one needs a key with
    the scope `start` or a signed identity for that user. Left out, the user is `anonymous-<random>`."""


class StartBody(Documented):
    """What a client asks for. Fields for other launchers are ignored."""

    model_config = ConfigDict(extra="ignore")

    agent: AgentName | None = None
    """The agent to talk to. Left out, it is the key's only agent or, if the key has several, the controller's
    default."""
    transport: str | None = None
    """The kind of room: `daily`, `livekit` or `webrtc`. It must be the one that the controller is set up
    with. Left out, it is that one."""
    body: Annotated[StartDetails | None, BeforeValidator(at_most(MAX_BODY_BYTES))] = None
    """JSON for the bot, at most 16 KB."""


class IceConfig(Documented):
    """Servers through which the client may be reached."""

    iceServers: list[IceServerOut]  # noqa: N815 - the browser's name
    """STUN and TURN servers."""


class StartAnswer(Documented):
    """How the client continues. Fields that don't apply are left out, because clients only check for keys."""

    sessionId: str  # noqa: N815 - Pipecat's name
    """The session's id and the caller's token, as `ID~TOKEN`. Send offers to it unchanged."""
    iceConfig: IceConfig | None = None  # noqa: N815 - likewise
    """SmallWebRTC: the servers that the operator has set."""
    dailyRoom: str | None = None  # noqa: N815 - likewise
    """Daily: the room's address."""
    dailyToken: str | None = None  # noqa: N815 - likewise
    """Daily: the caller's token for the room."""
    url: str | None = None
    """LiveKit: the server's address."""
    token: str | None = None
    """LiveKit: the caller's token for the room."""


@router.post(
    "/start",
    summary="Start a session from a client",
    response_description="The session was started.",
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
    """Start a session for one of Pipecat's clients or the controller's page, and return how to continue.

    The body may be left out. The controller makes the session's id.
    """
    asked = body or StartBody()
    _insist_on_provider(asked, services.supervisor.starts.provider)
    user_id = by.user(asked.body.user_id if asked.body else None, services.anonymous_name())
    details = asked.body.model_dump(exclude_unset=True) if asked.body else None
    session = StartSession(user_id=user_id, agent=asked.agent, body=details or None)
    return await start_call(request, services, by, start_request_of(session, services, access))


async def start_call(
    request: Request, services: Services, by: Starter, start_request: StartRequest
) -> StartAnswer:
    """Start a session for a client, and return how the client continues."""
    if by.is_public:
        start_request = replace(start_request, address_tags=address_tags(request, services))
    started = await services.supervisor.start(start_request)
    session = started.session
    token = services.signer.session_token(session.id, session.launch_id)
    answer = StartAnswer(sessionId=with_token(session.id, token))
    match services.supervisor.starts.provider:
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
