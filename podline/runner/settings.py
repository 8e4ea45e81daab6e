"""A bot's settings, read once from its environment by `__main__` and passed down.

Imports nothing but the standard library, so that a wrong variable is named before anything heavy loads.
"""

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from podline.contract import environment as env
from podline.errors import ConfigInvalid

Transport = Literal["daily", "livekit", "webrtc"]

_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_HTTP: Final = ("http", "https")
_WEBSOCKET: Final = ("ws", "wss", *_HTTP)
_DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True)
class DailyRoom:
    """A Daily room and the bot's own token for it."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class LiveKitRoom:
    """A LiveKit server and the bot's own token, which names the room."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class IceServer:
    """A STUN or TURN server for WebRTC."""

    urls: str
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Channel:
    """Where the controller is, and what this launch shows it."""

    url: str
    launch_id: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """All a bot needs to know. Times are in seconds.

    Attributes:
        room: Where to meet the caller; None where offers come through the channel (webrtc).
        ice_servers: By which the caller's way to the bot is found (webrtc).
        refuse_private_candidates: Whether the caller's private addresses are sent nothing (webrtc).
        channel: The controller; None where the bot runs alone.
        persona: The persona's file; None for the default one.
        max_duration_seconds: The session's cap.
        grace_seconds: From SIGTERM until the process must be gone.
        no_caller_seconds: How long to wait for the caller, counted from joined.
        return_grace_seconds: How long a caller lost abruptly may take to come back.
        idle_seconds: How long both sides may be silent.
        stop_secs: Silence that ends a turn, as in Pipecat's `VADParams`.
        traced: Whether spans are sent.
    """

    session_id: str
    user_id: str
    google_api_key: str = field(repr=False)
    convex_url: str
    convex_token: str | None = field(repr=False)
    room: DailyRoom | LiveKitRoom | None
    ice_servers: tuple[IceServer, ...]
    refuse_private_candidates: bool
    channel: Channel | None
    persona: Path | None
    max_duration_seconds: float
    grace_seconds: float
    no_caller_seconds: float
    return_grace_seconds: float
    idle_seconds: float
    stop_secs: float
    traced: bool

    @property
    def transport(self) -> Transport:
        """How the bot meets the caller."""
        match self.room:
            case DailyRoom():
                return "daily"
            case LiveKitRoom():
                return "livekit"
            case None:
                return "webrtc"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read and check every variable.

    Raises:
        ConfigInvalid: Something is missing or malformed; one line names it all and holds no secret.
    """
    variables = _Variables(environment)
    transport = _transport(variables)
    settings = Settings(
        session_id=_session_id(variables),
        user_id=_user_id(variables),
        google_api_key=_google_api_key(variables),
        convex_url=_convex_url(variables),
        convex_token=variables.optional(env.CONVEX_TOKEN),
        room=_room(variables, transport),
        ice_servers=_ice_servers(variables),
        refuse_private_candidates=variables.flag(env.REFUSE_PRIVATE_CANDIDATES),
        channel=_channel(variables, transport),
        persona=variables.path(env.PERSONA),
        max_duration_seconds=variables.number(env.MAX_DURATION_SECONDS, 1800, 1, _DAY_SECONDS),
        grace_seconds=variables.number(env.GRACE_SECONDS, 30, 0, 3600),
        no_caller_seconds=variables.number(env.NO_CALLER_SECONDS, 60, 1, _DAY_SECONDS),
        return_grace_seconds=variables.number(env.RETURN_GRACE_SECONDS, 10, 0, 3600),
        idle_seconds=variables.number(env.IDLE_SECONDS, 300, 1, _DAY_SECONDS),
        stop_secs=variables.number(env.STOP_SECS, 0.5, 0.1, 5),
        # What is wrong with them must not keep a caller from being answered.
        traced=env.traces_are_wanted(environment) and env.why_no_traces(environment) is None,
    )
    if variables.problems:
        raise ConfigInvalid("; ".join([*variables.problems, "set them right and start again."]))
    return settings


class _Variables:
    """Reads variables one by one and collects what is wrong with them.

    A value that is missing or wrong comes back as an empty string or a default, which nobody gets to see:
    the problem noted refuses the whole.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def problem(self, sentence: str) -> None:
        self.problems.append(sentence)

    def raw(self, name: str) -> str:
        """The value to the letter; empty where it is missing or blank."""
        value = self._environment.get(name, "")
        return value if value.strip() else ""

    def optional(self, name: str) -> str | None:
        """The value without the blanks around it that files and pipes leave behind."""
        return self.raw(name).strip() or None

    def required(self, name: str, hint: str = "") -> str:
        value = self.optional(name)
        if value is None:
            self.problem(f"{name} is missing{hint}")
        return value or ""

    def url(self, name: str, schemes: tuple[str, ...] = _HTTP, hint: str = "") -> str:
        value = self.required(name, hint)
        if value and not _is_url(value, schemes):
            kind = "http(s)" if schemes == _HTTP else "ws(s)"
            self.problem(f"{name}{_shown(value)} is no {kind} URL")
        return value.rstrip("/")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.optional(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            self.problem(f"{name} {_quoted(value)} is no number from {low:g} to {high:g}")
        return number

    def flag(self, name: str) -> bool:
        value = self.optional(name)
        if value not in (None, "true", "false"):
            self.problem(f"{name} {_quoted(value)} is not true or false")
        return value == "true"

    def path(self, name: str) -> Path | None:
        value = self.optional(name)
        return Path(value) if value else None


def _session_id(variables: _Variables) -> str:
    value = variables.raw(env.SESSION_ID)
    if not value:
        variables.problem(f"{env.SESSION_ID} is missing")
    elif not _ID.fullmatch(value) or value in (".", ".."):
        variables.problem(f"{env.SESSION_ID} is not 1 to 128 of A-Z a-z 0-9 . _ ~ -")
    return value


def _user_id(variables: _Variables) -> str:
    value = variables.raw(env.USER_ID)
    if not value:
        variables.problem(f"{env.USER_ID} is missing")
    elif len(value) > 128 or any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value):
        variables.problem(f"{env.USER_ID} is not 1 to 128 printable characters")
    return value


def _google_api_key(variables: _Variables) -> str:
    former = "GEMINI_API_KEY"
    renamed = f" ({former} is set: rename it to {env.GOOGLE_API_KEY})" if variables.raw(former) else ""
    return variables.required(env.GOOGLE_API_KEY, renamed)


def _convex_url(variables: _Variables) -> str:
    url = variables.url(env.CONVEX_URL)
    if _is_url(url, _HTTP) and (urlsplit(url).hostname or "").endswith(".convex.cloud"):
        variables.problem(
            f"{env.CONVEX_URL} is the deployment's .convex.cloud address, "
            "its HTTP actions are served on the one that ends in .convex.site"
        )
    return url


def _transport(variables: _Variables) -> Transport:
    """The transport asked for; else the one whose variables are there, whole ones before halves."""
    match variables.optional(env.TRANSPORT):
        case None:
            return _transport_there(variables)
        case "daily":
            return "daily"
        case "livekit":
            return "livekit"
        case "webrtc":
            return "webrtc"
        case other:
            variables.problem(f"{env.TRANSPORT} {_quoted(other)} is not daily, livekit or webrtc")
            return _transport_there(variables)


def _transport_there(variables: _Variables) -> Transport:
    daily = sum(bool(variables.raw(name)) for name in (env.DAILY_ROOM_URL, env.DAILY_TOKEN))
    livekit = sum(bool(variables.raw(name)) for name in (env.LIVEKIT_URL, env.LIVEKIT_TOKEN))
    if daily == livekit == 0:
        return "webrtc"
    if daily == livekit:
        variables.problem(
            f"variables of both Daily and LiveKit are set, {env.TRANSPORT} must say daily or livekit"
        )
    return "daily" if daily >= livekit else "livekit"


def _room(variables: _Variables, transport: Transport) -> DailyRoom | LiveKitRoom | None:
    match transport:
        case "daily":
            return DailyRoom(variables.url(env.DAILY_ROOM_URL), variables.required(env.DAILY_TOKEN))
        case "livekit":
            url = variables.url(env.LIVEKIT_URL, _WEBSOCKET)
            return LiveKitRoom(url, variables.required(env.LIVEKIT_TOKEN))
        case "webrtc":
            return None


def _ice_servers(variables: _Variables) -> tuple[IceServer, ...]:
    """The controller writes this one; its content is never shown, since it holds a password."""
    text = variables.optional(env.ICE_CONFIG)
    if text is None:
        return ()
    try:
        return tuple(IceServer(**each) for each in json.loads(text)["iceServers"])
    except (ValueError, LookupError, TypeError):
        variables.problem(f"{env.ICE_CONFIG} is not the JSON of a browser's iceServers")
        return ()


def _channel(variables: _Variables, transport: Transport) -> Channel | None:
    if not variables.raw(env.CONTROLLER_URL) and transport != "webrtc":
        return None
    hint = " (webrtc needs it: offers come through the controller)" if transport == "webrtc" else ""
    url = variables.url(env.CONTROLLER_URL, hint=hint)
    launch_id = variables.required(env.LAUNCH_ID)
    if launch_id and not _ID.fullmatch(launch_id):
        variables.problem(f"{env.LAUNCH_ID} is not 1 to 128 of A-Z a-z 0-9 . _ ~ -")
    return Channel(url, launch_id, variables.required(env.LAUNCH_TOKEN))


def _is_url(value: str, schemes: tuple[str, ...]) -> bool:
    """Whether this is an absolute URL that a path can be added to."""
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        return False
    whole = value.isprintable() and " " not in value and not parts.query and not parts.fragment
    return whole and port_is_valid and parts.scheme in schemes and bool(parts.hostname)


def _shown(value: str) -> str:
    """The value where it can only be an address: a key put into the wrong variable is not repeated."""
    is_address = "://" in value and not {"@", "?", "#"} & set(value)
    return f" {_quoted(value)}" if is_address else ""


def _quoted(value: str) -> str:
    return json.dumps(value if len(value) <= 80 else f"{value[:80]}...")
