"""The bodies Daily takes, and their checks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from sandbox.daily.refusals import Refusal, invalid

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_NAME_LENGTH: Final = 128
_MOST_PARTICIPANTS: Final = 200


class RoomProperties(msgspec.Struct, frozen=True, omit_defaults=True):
    """Those that matter to a call by voice, with Daily's defaults; others are taken and forgotten.

    A room object shows those that differ from the defaults.
    """

    nbf: int | float | None = None
    exp: int | float | None = None
    max_participants: Annotated[int, msgspec.Meta(ge=1, le=_MOST_PARTICIPANTS)] | None = None
    eject_at_room_exp: bool = False
    eject_after_elapsed: Annotated[int, msgspec.Meta(ge=1)] | None = None
    start_audio_off: bool = False
    start_video_off: bool = False
    enable_chat: bool = False
    enable_prejoin_ui: bool | None = None
    geo: str | None = None


class CreateRoom(msgspec.Struct, frozen=True):
    name: str | None = None
    privacy: Literal["public", "private"] = "public"
    properties: RoomProperties = RoomProperties()


class TokenProperties(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a token allows. Without a room it is valid for all rooms, without an `exp` forever."""

    room_name: str | None = None
    is_owner: bool = False
    nbf: int | float | None = None
    exp: int | float | None = None
    eject_at_token_exp: bool = False
    eject_after_elapsed: Annotated[int, msgspec.Meta(ge=1)] | None = None
    user_name: str | None = None
    user_id: Annotated[str, msgspec.Meta(max_length=36)] | None = None
    permissions: dict[str, Any] | None = None


class CreateToken(msgspec.Struct, frozen=True):
    properties: TokenProperties = TokenProperties()


Body = TypeVar("Body", CreateRoom, CreateToken)


def read_body(data: bytes, kind: type[Body], now: float) -> Body:
    """Read and check a body; none at all asks for the defaults.

    Raises:
        Refusal: It is no JSON, or a value is not what it should be.
    """
    try:
        body = msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    except msgspec.DecodeError as error:
        raise Refusal(400, "json-parsing-error", str(error)) from error
    if body.properties.exp is not None and body.properties.exp <= now:
        past = f"exp was '{body.properties.exp:.0f}', which is in the past rather than in the future"
        raise invalid(past)
    return body


def check_name(name: str) -> None:
    """Check a room's name.

    Raises:
        Refusal: It has other characters than it may have, or too many.
    """
    if not _NAME.fullmatch(name):
        allowed = "room names can contain A-Z, a-z, 0-9, '-', and '_'"
        raise invalid(f"{name} contains invalid characters ({allowed})")
    if len(name) > _NAME_LENGTH:
        raise invalid(f"{name} is too long (room names can have {_NAME_LENGTH} characters)")
