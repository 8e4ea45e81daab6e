"""A runner's settings, read once from the environment by `__main__` and passed down.

Imports nothing heavier than pydantic, so that a wrong variable is named before anything else loads.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from podline.contract import environment as env
from podline.contract.version import UNNUMBERED, why_unspoken
from podline.current_call import MUTE_SECONDS
from podline.variables import HttpUrl, Text, WebSocketUrl, given, quoted, read_variables

Transport = Literal["daily", "livekit", "webrtc"]

MIN_MUTE_SECONDS: Final = 2.0

_OF_NO_CALL: Final = {env.SESSION_ID: "waiting", env.USER_ID: "waiting", env.TRANSPORT: "webrtc"}
"""Stands for a call's own variables while there is no call: all others are checked before there is one."""

_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def _identifier(value: str) -> str:
    if not _ID.fullmatch(value) or value in (".", ".."):
        raise ValueError("is not 1 to 128 of A-Z a-z 0-9 . _ ~ -")
    return value


def _user_id(value: str) -> str:
    if len(value) > 128 or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value):
        raise ValueError("is not 1 to 128 printable characters")
    return value


def _ice_servers(text: str) -> tuple[PeerIceServer, ...]:
    try:
        return tuple(PeerIceServer(**each) for each in json.loads(text)["iceServers"])
    except (ValueError, LookupError, TypeError, RecursionError):
        # Not shown: it contains a password.
        raise ValueError("is not the JSON of a browser's iceServers") from None


def _contract(value: int) -> int:
    if (reason := why_unspoken(value)) is not None:
        raise ValueError(f"{reason}; use the runner of the controller's release")
    return value


def _mute_seconds(value: float) -> float:
    if 0 < value < MIN_MUTE_SECONDS:
        raise ValueError(
            f"is {value:g}, in which few models answer; use at least {MIN_MUTE_SECONDS:g}, or 0 for no limit"
        )
    return value


Identifier = Annotated[str, AfterValidator(_identifier)]
UserId = Annotated[str, AfterValidator(_user_id)]
Day = Annotated[float, Field(ge=1, le=86_400, allow_inf_nan=False)]
Hour = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
MuteSeconds = Annotated[float, Field(ge=0, le=300, allow_inf_nan=False), AfterValidator(_mute_seconds)]


@dataclass(frozen=True)
class DailyRoomAccess:
    """A Daily room and the bot's own token for it."""

    url: Annotated[HttpUrl, Field(alias=env.DAILY_ROOM_URL)]
    token: Annotated[Text, Field(alias=env.DAILY_TOKEN)] = field(repr=False)


@dataclass(frozen=True)
class LiveKitRoomAccess:
    """A LiveKit server and the bot's own token, which names the room."""

    url: Annotated[WebSocketUrl, Field(alias=env.LIVEKIT_URL)]
    token: Annotated[Text, Field(alias=env.LIVEKIT_TOKEN)] = field(repr=False)


@dataclass(frozen=True)
class PeerIceServer:
    """A STUN or TURN server for WebRTC."""

    urls: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Channel:
    """The controller's URL, and this launch's credentials for it."""

    url: Annotated[HttpUrl, Field(alias=env.CONTROLLER_URL)]
    launch_id: Annotated[Text, AfterValidator(_identifier), Field(alias=env.LAUNCH_ID)]
    token: Annotated[Text, Field(alias=env.LAUNCH_TOKEN)] = field(repr=False)


@dataclass(frozen=True)
class GoodbyeCue:
    """How a bot ends a call politely: what its model is asked, or what its text-to-speech service says."""

    request: str = ""
    sentence: str = ""
    is_none: bool = False


def _goodbye(text: str) -> GoodbyeCue:
    try:
        given_goodbye = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    match given_goodbye:
        case False:
            return GoodbyeCue(is_none=True)
        case {"request": str(request)}:
            return GoodbyeCue(request=request)
        case {"sentence": str(sentence)}:
            return GoodbyeCue(sentence=sentence)
        case _:
            raise ValueError("is neither false nor an object with a request or a sentence")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # Not shown: it may contain anything.
        raise ValueError("is not JSON") from None


def _json_object(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - pydantic takes it for what is wrong
    return value


@dataclass(frozen=True, kw_only=True)
class RunnerSettings:
    """A runner's settings for its call. Times are in seconds.

    Attributes:
        daily: The caller's room if it is Daily's; without a room, offers arrive through the channel (webrtc).
        livekit: The caller's room if it is LiveKit's.
        channel: How to reach the controller; None if the bot runs alone.
        traced: True if spans are sent.
        ice_servers: STUN and TURN servers that connect the caller to the bot (webrtc).
        refuse_private_candidates: True if the bot sends nothing to the caller's private addresses (webrtc).
        max_duration_seconds: The session's time limit.
        grace_seconds: From SIGTERM until the process must be gone.
        no_caller_seconds: How long to wait for the caller once the bot has joined.
        return_grace_seconds: How long a caller who was lost abruptly may take to return.
        idle_seconds: How long both sides may be silent.
        mute_seconds: How long a caller who is owed an answer may hear nothing; 0 if the bot may be silent.
        agent: The name of the agent that the bot runs as.
        body: What whoever started the session has for the bot.
        metadata: What they know it by.
        goodbye: How the agent says goodbye; None for the default.
        contract: What the controller started the session in.
    """

    session_id: Annotated[Identifier, Field(alias=env.SESSION_ID)]
    user_id: Annotated[UserId, Field(alias=env.USER_ID)]
    daily: DailyRoomAccess | None
    livekit: LiveKitRoomAccess | None
    channel: Channel | None
    traced: bool
    ice_servers: Annotated[
        tuple[PeerIceServer, ...], BeforeValidator(_ice_servers), Field(alias=env.ICE_CONFIG)
    ] = ()
    refuse_private_candidates: Annotated[bool, Field(alias=env.REFUSE_PRIVATE_CANDIDATES)] = False
    max_duration_seconds: Annotated[Day, Field(alias=env.MAX_DURATION_SECONDS)] = 1800.0
    grace_seconds: Annotated[Hour, Field(alias=env.GRACE_SECONDS)] = 30.0
    no_caller_seconds: Annotated[Day, Field(alias=env.NO_CALLER_SECONDS)] = 60.0
    return_grace_seconds: Annotated[Hour, Field(alias=env.RETURN_GRACE_SECONDS)] = 10.0
    idle_seconds: Annotated[Day, Field(alias=env.IDLE_SECONDS)] = 300.0
    mute_seconds: Annotated[MuteSeconds, Field(alias=env.MUTE_SECONDS)] = MUTE_SECONDS
    agent: Annotated[Text, Field(alias=env.AGENT)] = ""
    body: Annotated[Any, BeforeValidator(_json), Field(alias=env.BODY)] = field(default_factory=dict)
    metadata: Annotated[dict[str, Any], BeforeValidator(_json_object), Field(alias=env.METADATA)] = field(
        default_factory=dict
    )
    goodbye: Annotated[GoodbyeCue | None, BeforeValidator(_goodbye), Field(alias=env.GOODBYE)] = None
    contract: Annotated[int, AfterValidator(_contract), Field(alias=env.CONTRACT)] = UNNUMBERED

    @property
    def room(self) -> DailyRoomAccess | LiveKitRoomAccess | None:
        return self.daily or self.livekit


@dataclass(frozen=True, kw_only=True)
class WaitingSettings:
    """What a bot needs that waits for its call.

    Attributes:
        channel: How to reach the controller.
        contract: What the controller started the bot in.
        traced: True if a call's spans will be sent.
        preloads: True if the bot is imported before its call is known.
    """

    channel: Channel
    contract: int
    traced: bool
    preloads: bool


def read_waiting_settings(environment: Mapping[str, str]) -> WaitingSettings:
    """Read and check every variable that is known before there is a call.

    Raises:
        WrongVariables: Something is missing or malformed; one line names it all and contains no secret.
    """
    hint = "a bot that waits for its call needs it: the call comes from the controller"
    settings = _read({**environment, **_OF_NO_CALL}, hint)
    if settings.channel is None:
        raise AssertionError("webrtc has a channel")
    return WaitingSettings(
        channel=settings.channel,
        contract=settings.contract,
        traced=settings.traced,
        preloads=env.preloads(environment),
    )


def read_settings(environment: Mapping[str, str]) -> RunnerSettings:
    """Read and check every variable.

    Raises:
        WrongVariables: Something is missing or malformed; one line names it all and contains no secret.
    """
    return _read(environment, "webrtc needs it: offers come through the controller")


def _read(environment: Mapping[str, str], why_a_controller: str) -> RunnerSettings:
    variables = given(environment)
    transport, problems = _transport(variables)
    needs_channel = transport == "webrtc" or env.CONTROLLER_URL in variables
    values: dict[str, Any] = {
        **variables,
        "daily": variables if transport == "daily" else None,
        "livekit": variables if transport == "livekit" else None,
        "channel": variables if needs_channel else None,
        # A mistake about tracing must not keep a caller from being answered.
        "traced": env.traces_are_wanted(environment) and env.why_no_traces(environment) is None,
    }
    hints = {}
    if transport == "webrtc":
        hints[env.CONTROLLER_URL] = why_a_controller
    return read_variables(RunnerSettings, values, hints, problems)


def _transport(variables: Mapping[str, str]) -> tuple[Transport, list[str]]:
    """Return the requested transport, or else the one whose variables are set, and what is wrong with it."""
    asked = variables.get(env.TRANSPORT, "").strip()
    daily = sum(name in variables for name in (env.DAILY_ROOM_URL, env.DAILY_TOKEN))
    livekit = sum(name in variables for name in (env.LIVEKIT_URL, env.LIVEKIT_TOKEN))
    match asked:
        case "daily" | "livekit" | "webrtc":
            return asked, []
        case "" if daily == livekit > 0:
            problem = f"{env.TRANSPORT} must be daily or livekit, because the variables of both are set"
        case "":
            problem = ""
        case _:
            problem = f"{env.TRANSPORT} is {quoted(asked)}, not daily, livekit or webrtc"
    if daily == livekit == 0:
        return "webrtc", [problem] if problem else []
    # A transport with all its variables set takes precedence over one with half of them.
    return "daily" if daily >= livekit else "livekit", [problem] if problem else []
