"""The routes of Pipecat's own clients and of our page: /start, then offers for the session it made."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Self

import msgspec
from fastapi import APIRouter, Body, Depends, Request, Security
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from controller.core.errors import (
    BotUnavailable,
    InvalidRequest,
    OfferRefused,
    OfferSuperseded,
    RateLimited,
    RuntimeUnavailable,
    SessionEnded,
    ShuttingDown,
)
from controller.core.tokens import with_token
from controller.web.auth import Starter
from controller.web.http.errors import TooManyOffers, UnsupportedMediaType
from controller.web.problems import refusals
from controller.web.routes.dependencies import ServicesDep, is_json, note_session, while_connected
from controller.web.routes.models import IceServerOut, StartSession, UserId
from controller.web.routes.refusals import OF_A_START, WITHOUT_THE_SCOPE
from controller.web.routes.security import address_tags, offered_session, starter
from controller.web.routes.start_requests import start_request_of
from podline.contract.candidates import why_too_many, why_too_much

router = APIRouter(tags=["Pipecat's clients"], dependencies=[Depends(note_session)])
_OF_A_MESSAGE: Final = (
    *WITHOUT_THE_SCOPE,
    OfferRefused,
    SessionEnded,
    UnsupportedMediaType,
    InvalidRequest,
    RateLimited,
    BotUnavailable,
    RuntimeUnavailable,
    ShuttingDown,
)
OfferedSession = Annotated[str, Depends(offered_session)]


class StartDetails(BaseModel):
    """Fields that a client adds of its own. Podline reads the user only."""

    user_id: UserId | None = None


class StartBody(BaseModel):
    """What a client asks for. Fields of other launchers are ignored."""

    model_config = ConfigDict(extra="ignore")

    transport: str | None = None
    body: StartDetails | None = None


class IceConfig(BaseModel):
    """Servers the client may use to be reached."""

    iceServers: list[IceServerOut]  # noqa: N815 - the browser's name


class StartAnswer(BaseModel):
    """How the client continues. What does not apply is left out, since clients only check for the keys."""

    sessionId: str = Field(  # noqa: N815 - Pipecat's name
        description="The session's id and the caller's token, as `ID~TOKEN`. Offers go to it unchanged."
    )
    iceConfig: IceConfig | None = None  # noqa: N815 - likewise
    dailyRoom: str | None = None  # noqa: N815 - likewise
    dailyToken: str | None = None  # noqa: N815 - likewise
    url: str | None = Field(default=None, description="LiveKit's URL.")
    token: str | None = Field(default=None, description="The caller's token for a room there.")


def _bounded(sdp: str) -> str:
    if (too_much := why_too_much(sdp)) is not None:
        raise ValueError(too_much)
    return sdp


def _few(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if (too_many := why_too_many(candidates)) is not None:
        raise ValueError(too_many)
    return candidates


class Relayed(BaseModel):
    """A message that goes to the bot unchanged, with any fields that a client adds."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _can_be_relayed(self) -> Self:
        try:
            msgspec.json.encode(self.model_dump(exclude_unset=True))
        except (ValueError, OverflowError, RecursionError):
            raise ValueError("only JSON values are allowed") from None
        return self


class OfferBody(Relayed):
    """A description of the client's side."""

    sdp: Annotated[str, AfterValidator(_bounded)]
    type: str


class CandidatesBody(Relayed):
    """ICE candidates of a connection that has been offered."""

    pc_id: str
    candidates: Annotated[list[dict[str, Any]], AfterValidator(_few)]


@router.post(
    "/start",
    dependencies=[Depends(is_json)],
    response_model_exclude_none=True,
    responses=refusals(*OF_A_START, RateLimited),
)
async def start(
    request: Request,
    services: ServicesDep,
    by: Annotated[Starter, Security(starter, scopes=["start"])],
    body: Annotated[StartBody | None, Body()] = None,
) -> StartAnswer:
    """Start a session, and return how to continue."""
    asked = body or StartBody()
    _insist_on_provider(asked, services.supervisor.provider)
    user_id = by.user(asked.body.user_id if asked.body else None, services.anonymous_name())
    start_request = start_request_of(StartSession(user_id=user_id), services)
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


@router.post(
    "/sessions/{session_id}/api/offer",
    dependencies=[Depends(is_json)],
    responses=refusals(*_OF_A_MESSAGE, OfferSuperseded),
)
async def offer(
    session_id: OfferedSession, body: OfferBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Pass an offer to the bot, and hold the request until it answers, since clients do not ask twice."""
    with services.offer_limit.offer(session_id):
        answering = services.supervisor.offer(session_id, body.model_dump(exclude_unset=True))
        return await while_connected(request, answering)


@router.patch(
    "/sessions/{session_id}/api/offer",
    dependencies=[Depends(is_json)],
    responses=refusals(*_OF_A_MESSAGE, TooManyOffers),
)
async def candidates(
    session_id: OfferedSession, body: CandidatesBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Pass ICE candidates to the bot."""
    with services.offer_limit.candidates(session_id):
        taking = services.supervisor.candidates(session_id, body.model_dump(exclude_unset=True))
        return await while_connected(request, taking)


def _insist_on_provider(asked: StartBody, provider: str) -> None:
    if asked.transport not in (None, provider):
        raise InvalidRequest(f"transport: this controller offers {provider!r} only.")
