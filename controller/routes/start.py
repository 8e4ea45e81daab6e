"""What Pipecat's own clients and our page speak: /start, then offers for the session it made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request
from pydantic import BaseModel, ConfigDict

from controller.errors import InvalidRequest
from controller.problems import Problem
from controller.routes.dependencies import ServicesDep, SupervisorDep, may_offer, may_start, while_connected
from controller.routes.models import StartSession, UserId
from controller.routes.orders import order_of
from controller.sessions import ANONYMOUS

router = APIRouter(
    tags=["Pipecat's clients"],
    responses={status: {"model": Problem} for status in (401, 403, 413, 422, 429, 503)},
)


class StartDetails(BaseModel):
    """What a client adds of its own; only the user is of interest here."""

    user_id: UserId = ANONYMOUS


class StartBody(BaseModel):
    """A client's wish. Fields that are not known are other launchers' and let pass."""

    model_config = ConfigDict(extra="ignore")

    transport: str | None = None
    body: StartDetails | None = None


class IceServer(BaseModel):
    """A STUN or TURN server."""

    urls: str


class IceConfig(BaseModel):
    """Servers the client may use to be reached."""

    iceServers: list[IceServer]  # noqa: N815 - the browser's name


class StartAnswer(BaseModel):
    """Where the client goes on. What does not apply is left out: clients look for the key alone."""

    sessionId: str  # noqa: N815 - Pipecat's name
    iceConfig: IceConfig | None = None  # noqa: N815 - likewise


class Offer(BaseModel):
    """A description of the client's side. Whatever else it holds goes to the bot as it is."""

    model_config = ConfigDict(extra="allow")

    sdp: str
    type: str


class Candidates(BaseModel):
    """ICE candidates of a connection that has been offered."""

    model_config = ConfigDict(extra="allow")

    pc_id: str
    candidates: list[dict[str, Any]]


@router.post("/start", dependencies=[Depends(may_start)], response_model_exclude_none=True)
async def start(services: ServicesDep, body: Annotated[StartBody | None, Body()] = None) -> StartAnswer:
    """Start a session, and say how to go on."""
    wish = body or StartBody()
    _insist_on_provider(wish, services.supervisor.provider)
    user_id = wish.body.user_id if wish.body else ANONYMOUS
    started = await services.supervisor.start(order_of(StartSession(user_id=user_id), services))
    servers = [IceServer(urls=url) for url in services.settings.ice_servers]
    return StartAnswer(
        sessionId=started.session.id, iceConfig=IceConfig(iceServers=servers) if servers else None
    )


@router.post(
    "/sessions/{session_id}/api/offer",
    dependencies=[Depends(may_offer)],
    responses={status: {"model": Problem} for status in (404, 409, 410)},
)
async def offer(session_id: str, body: Offer, request: Request, supervisor: SupervisorDep) -> dict[str, Any]:
    """Hand an offer to the bot, and hold the request until it answers: clients do not ask twice."""
    answering = supervisor.offer(session_id, body.model_dump(exclude_unset=True))
    return await while_connected(request, answering)


@router.patch(
    "/sessions/{session_id}/api/offer",
    dependencies=[Depends(may_offer)],
    responses={status: {"model": Problem} for status in (404, 409, 410)},
)
async def candidates(session_id: str, body: Candidates, supervisor: SupervisorDep) -> dict[str, Any]:
    """Hand ICE candidates to the bot."""
    return await supervisor.candidates(session_id, body.model_dump(exclude_unset=True))


def _insist_on_provider(wish: StartBody, provider: str) -> None:
    if wish.transport not in (None, provider):
        raise InvalidRequest(f"transport: this controller meets callers over {provider!r} only.")
