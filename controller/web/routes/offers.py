"""The routes by which Pipecat's own clients and our page connect to the bot: offers and candidates."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

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
from controller.web.errors import TooManyOffers, UnsupportedMediaType
from controller.web.problems import refusals
from controller.web.routes.dependencies import ServicesDep, is_json, note_session, while_connected
from controller.web.routes.refusals import WITHOUT_THE_SCOPE
from controller.web.routes.security import offered_session
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
    """The client's session description."""

    sdp: Annotated[str, AfterValidator(_bounded)]
    type: str


class CandidatesBody(Relayed):
    """ICE candidates for a connection that has been offered."""

    pc_id: str
    candidates: Annotated[list[dict[str, Any]], AfterValidator(_few)]


@router.post(
    "/sessions/{session_id}/api/offer",
    dependencies=[Depends(is_json)],
    responses=refusals(*_OF_A_MESSAGE, OfferSuperseded),
)
async def offer(
    session_id: OfferedSession, body: OfferBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Pass an offer to the bot, and hold the request until it answers, because clients don't ask twice."""
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
