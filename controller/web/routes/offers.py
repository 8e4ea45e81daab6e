"""The routes by which Pipecat's own clients and our page connect to the bot: offers and candidates."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

import msgspec
from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, ConfigDict, model_validator

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
from controller.web.models.documented import Documented
from controller.web.openapi.refusals import refusals
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


class Relayed(Documented):
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
    """A client's session description. It goes to the bot unchanged, with any fields that the client adds.

    To renegotiate, the client adds the `pc_id` of the answer, and `restart_pc: true` for a fresh connection.
    """

    sdp: Annotated[str, AfterValidator(_bounded)]
    """The session description (SDP): at most 32 KB, 8 media and 20 UDP candidates for each."""
    type: str
    """The kind of description: `offer`."""


class CandidatesBody(Relayed):
    """ICE candidates for a connection that has been offered. They go to the bot unchanged."""

    pc_id: str
    """The `pc_id` of the answer to the offer."""
    candidates: Annotated[list[dict[str, Any]], AfterValidator(_few)]
    """The candidates, each with `candidate`, `sdp_mid` and `sdp_mline_index`: at most 20 for each of at most
    8 media."""


class OfferAnswer(Documented):
    """The bot's session description, with any fields that the bot adds."""

    model_config = ConfigDict(extra="allow")

    sdp: str
    """The session description (SDP)."""
    type: str
    """The kind of description: `answer`."""
    pc_id: str
    """The connection's id. Candidates and later offers of the same caller name it."""


class CandidatesAnswer(Documented):
    """An empty object: the bot has taken the candidates."""

    model_config = ConfigDict(extra="allow")


@router.post(
    "/sessions/{session_id}/api/offer",
    summary="Send an offer to the bot",
    response_description="The bot's answer.",
    response_model=None,
    dependencies=[Depends(is_json)],
    responses={200: {"model": OfferAnswer}, **refusals(*_OF_A_MESSAGE, OfferSuperseded)},
)
async def send_offer(
    session_id: OfferedSession, body: OfferBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Pass a SmallWebRTC offer to the bot, and hold the request until it answers.

    Send it right after the start: the controller holds it until the bot has come, or until the start times
    out. Treat any 4xx as final.
    """
    with services.offer_limit.offer(session_id):
        answering = services.supervisor.channel.offer(session_id, body.model_dump(exclude_unset=True))
        return await while_connected(request, answering)


@router.patch(
    "/sessions/{session_id}/api/offer",
    summary="Send ICE candidates to the bot",
    response_description="The bot has taken the candidates.",
    response_model=None,
    dependencies=[Depends(is_json)],
    responses={200: {"model": CandidatesAnswer}, **refusals(*_OF_A_MESSAGE, TooManyOffers)},
)
async def send_candidates(
    session_id: OfferedSession, body: CandidatesBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    """Pass ICE candidates to the bot, found after the offer was sent (trickle ICE)."""
    with services.offer_limit.candidates(session_id):
        taking = services.supervisor.channel.candidates(session_id, body.model_dump(exclude_unset=True))
        return await while_connected(request, taking)
