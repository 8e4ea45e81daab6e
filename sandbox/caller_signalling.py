"""How a scripted caller reaches a bot: the two HTTP calls of Pipecat's SmallWebRTC client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import aiohttp
from aiortc import RTCPeerConnection, RTCSessionDescription

_OFFER_TRIES: Final = 3
_OFFER_PAUSE: Final = 2.0
"""As Pipecat's client: a 5xx gets three tries two seconds apart, a 4xx is final."""


class CallFailedError(Exception):
    """The call could not be made or did not go as it was to; the sentence says how.

    Attributes:
        sentence: what went wrong, without the call so far.
    """

    def __init__(self, sentence: str, so_far: Sequence[str] = ()) -> None:
        """`so_far` is the account of the call until then."""
        super().__init__("\n".join([f"{sentence}; the call so far:", *so_far]) if so_far else sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class RoomAddress:
    """Where to offer a connection: a session's `room`, or what `start_session` made of an answer."""

    url: str
    token: str | None = None
    provider: str = "webrtc"


async def start_session(
    http: aiohttp.ClientSession,
    base_url: str,
    user_id: str | None = None,
    key: str | None = None,
    agent: str | None = None,
) -> tuple[str, RoomAddress]:
    """Ask for a bot as a page does. Returns the session's id and its room, of the controller's provider.

    Without a key of scope `start` a controller that has keys gives the caller a name of its own.
    """
    body: dict[str, Any] = {
        "createDailyRoom": False,
        "enableDefaultIceServers": True,
        "body": {} if user_id is None else {"user_id": user_id},
    }
    if agent is not None:
        body["agent"] = agent
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    answer = await _post(http, f"{base_url}/start", body, headers)
    given = str(answer["sessionId"])
    session_id = given.partition("~")[0]
    if "url" in answer:
        return session_id, RoomAddress(answer["url"], answer["token"], "livekit")
    return session_id, RoomAddress(f"{base_url}/sessions/{given}/api/offer")


async def connect(
    http: aiohttp.ClientSession,
    room: RoomAddress,
    connection: RTCPeerConnection,
    in_place_of: str | None = None,
) -> str | None:
    """Offer the connection, take the bot's answer, and return the bot's `pc_id`.

    Args:
        http: Carries the offer.
        room: Where to offer it.
        connection: What is offered.
        in_place_of: The `pc_id` of the lost connection that this one is to replace.

    Raises:
        CallFailedError: The offer was refused.
    """
    await connection.setLocalDescription(await connection.createOffer())
    offer = {"sdp": connection.localDescription.sdp, "type": connection.localDescription.type}
    again = {} if in_place_of is None else {"pc_id": in_place_of, "restart_pc": True}
    headers = {} if room.token is None else {"Authorization": f"Bearer {room.token}"}
    answer = await _post(http, room.url, {**offer, **again}, headers)
    await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
    pc_id: str | None = answer.get("pc_id")
    return pc_id


async def _post(
    http: aiohttp.ClientSession, url: str, body: dict[str, Any], headers: dict[str, str]
) -> dict[str, Any]:
    for attempt in range(1, _OFFER_TRIES + 1):
        async with http.post(url, json=body, headers=headers) as response:
            if response.ok:
                return cast("dict[str, Any]", await response.json())
            text = await response.text()
            if response.status < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == _OFFER_TRIES:
                raise CallFailedError(f"POST {url} was answered with {response.status}: {_detail(text)}")
        await asyncio.sleep(_OFFER_PAUSE)
    raise AssertionError("the last try returns or raises")


def _detail(text: str) -> str:
    """Return what a problem document says; any other answer as it is."""
    try:
        detail = json.loads(text)["detail"]
    except (ValueError, TypeError, KeyError):
        return text
    return detail if isinstance(detail, str) else text
