"""Pipecat Cloud's public routes, by which browsers start a session and connect to its bot."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Request, Security
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from controller.core.errors import AgentNotFound, InvalidRequest
from controller.web.auth import Starter
from controller.web.models.documented import Documented
from controller.web.models.requests import StartSession
from controller.web.models.values import MAX_BODY_BYTES, UserId, at_most
from controller.web.routes.agent_list import AgentInPath
from controller.web.routes.dependencies import AccessDep, ServicesDep, is_json, note_session
from controller.web.routes.offers import (
    CandidatesBody,
    OfferBody,
    OfferedSession,
    send_candidates,
    send_offer,
)
from controller.web.routes.security import starter
from controller.web.routes.start import StartAnswer, start_call
from controller.web.routes.start_requests import start_request_of
from podline.contract.agents import NAME_PATTERN

router = APIRouter(prefix="/v1/public/{name}", include_in_schema=False, dependencies=[Depends(is_json)])

ROOM_PROPERTIES: Final = frozenset(
    {
        "enable_chat",
        "enable_emoji_reactions",
        "enable_hand_raising",
        "enable_network_ui",
        "enable_noise_cancellation_ui",
        "enable_people_ui",
        "enable_pip_ui",
        "enable_prejoin_ui",
        "enable_screenshare",
        "enable_video_processing_ui",
        "geo",
        "lang",
        "start_audio_off",
        "start_video_off",
    }
)
"""The properties of a Daily room that a browser may choose: none costs money or lets others in.

https://docs.daily.co/reference/rest-api/rooms/config
"""

_MOST_CHARACTERS: Final = 64
_USER_ID: Final[TypeAdapter[str | None]] = TypeAdapter(UserId | None)


class StartPublic(Documented):
    """What a client asks for. Fields for other launchers are ignored."""

    model_config = ConfigDict(extra="ignore")

    createDailyRoom: bool = False  # noqa: N815 - Pipecat Cloud's name
    dailyRoomProperties: Annotated[  # noqa: N815 - likewise
        dict[str, Any], Field(default_factory=dict, max_length=50)
    ]
    body: Annotated[Any, BeforeValidator(at_most(MAX_BODY_BYTES))] = None


@router.post("/start", response_model=StartAnswer, response_model_exclude_none=True)
async def start_public(
    name: AgentInPath,
    request: Request,
    services: ServicesDep,
    access: AccessDep,
    by: Annotated[Starter, Security(starter, scopes=["start"])],
    body: Annotated[StartPublic | None, Body()] = None,
) -> StartAnswer:
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise AgentNotFound(name)
    asked = body or StartPublic.model_validate({})
    provider = services.supervisor.starts.provider
    if asked.createDailyRoom and provider != "daily":
        raise InvalidRequest(
            f"createDailyRoom: this controller has rooms of kind {provider!r} (PODLINE_ROOMS). Leave it out."
        )
    user_id = by.user(_user_named_in(asked.body), services.anonymous_name())
    session = StartSession(user_id=user_id, agent=name, body=asked.body or None)
    start_request = start_request_of(session, services, access)
    if provider == "daily":
        properties = allowed_properties(asked.dailyRoomProperties)
        start_request = replace(start_request, room_properties=properties)
    return await start_call(request, services, by, start_request)


@router.post("/sessions/{session_id}/api/offer", response_model=None, dependencies=[Depends(note_session)])
async def send_public_offer(
    session_id: OfferedSession, body: OfferBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    return await send_offer(session_id, body, request, services)


@router.patch("/sessions/{session_id}/api/offer", response_model=None, dependencies=[Depends(note_session)])
async def send_public_candidates(
    session_id: OfferedSession, body: CandidatesBody, request: Request, services: ServicesDep
) -> dict[str, Any]:
    return await send_candidates(session_id, body, request, services)


def _user_named_in(body: Any) -> str | None:
    """Return the user whom a body names, as `/start` does; None if it names none. Raises InvalidRequest."""
    named = body.get("user_id") if isinstance(body, dict) else None
    try:
        return _USER_ID.validate_python(named)
    except ValidationError:
        raise InvalidRequest(
            "body.user_id: write a text of 1 to 128 printable characters, or leave it out."
        ) from None


def allowed_properties(asked: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of a room that a client may choose.

    Raises:
        InvalidRequest: it asks for others, or for values that none of these has.
    """
    for name, value in asked.items():
        if name not in ROOM_PROPERTIES:
            allowed = ", ".join(sorted(ROOM_PROPERTIES))
            shown = json.dumps(name[:_MOST_CHARACTERS])
            raise InvalidRequest(f"dailyRoomProperties: {shown} may not be chosen here. Allowed: {allowed}.")
        is_short_text = isinstance(value, str) and len(value) <= _MOST_CHARACTERS and value.isprintable()
        if not (isinstance(value, bool) or is_short_text):
            raise InvalidRequest(f"dailyRoomProperties: {name}: write true, false or a short text.")
    return asked
