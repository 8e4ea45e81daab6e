"""Where callers and bots meet, and the settings of each room provider."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, SecretStr, model_validator

from controller.core.primitives.addresses import is_server, normal_host
from controller.settings.variables import COMMA_SEPARATED, Group, variable

_ICE_URL: Final = re.compile(r"(stun:[\w.-]+(:\d+)?|turns?:[\w.-]+(:\d+)?(\?transport=(udp|tcp))?)")
"""URLs of RFC 7064 and 7065, without credentials, that aiortc supports: no stuns, no IPv6 address."""


def _ice_url(text: str) -> str:
    if not _ICE_URL.fullmatch(text):
        raise ValueError(
            "a server looks like stun:stun.example.com:3478 or turns:turn.example.com?transport=tcp"
        )
    return text


def _room_host(text: str) -> str:
    name, colon, port = text.removeprefix("*.").partition(":")
    host = normal_host(name)
    is_wildcard = text.startswith("*.")
    if (
        host is None
        or (colon and not (port.isdecimal() and port.isascii()))
        or (is_wildcard and "." not in host)
    ):
        raise ValueError("a host looks like rooms.example.com, rooms.example.com:8443 or *.example.com")
    return f"{'*.' if is_wildcard else ''}{host}{colon}{port}"


IceUrl = Annotated[str, AfterValidator(_ice_url)]
RoomHost = Annotated[str, AfterValidator(_room_host)]


class RoomSettings(Group):
    """Where callers and bots meet."""

    kind: Literal["webrtc", "livekit", "daily"] = variable(
        "PODLINE_ROOMS",
        "`webrtc`: directly, without a provider. `livekit` or `daily`: in a room made for each session.",
        default="webrtc",
    )
    hosts: Annotated[tuple[RoomHost, ...], COMMA_SEPARATED] = variable(
        "PODLINE_ROOM_HOSTS",
        "Hosts of LiveKit or Daily rooms that requests may bring, comma-separated; `*.example.com` stands "
        "for all hosts below example.com. By default Daily's `*.daily.co`, or the host of DAILY_API_URL; "
        "with LiveKit the server's own addresses, which stay allowed.",
        default=(),
        example="*.daily.co",
    )


class WebRtcSettings(Group):
    """Calls without a provider (PODLINE_ROOMS=webrtc)."""

    ice_servers: Annotated[tuple[IceUrl, ...], COMMA_SEPARATED] = variable(
        "PODLINE_ICE_SERVERS",
        "STUN and TURN servers that connect callers and bots on different networks: comma-separated URLs. "
        "There are none by default.",
        default=(),
        example="stun:stun.example.com:3478,turn:turn.example.com:3478",
    )
    turn_secret: SecretStr | None = variable(
        "PODLINE_TURN_SECRET",
        "The secret that coturn has as static-auth-secret: each call gets its own TURN passwords, derived "
        "from it.",
    )
    refuse_private_candidates: bool = variable(
        "PODLINE_REFUSE_PRIVATE_CANDIDATES",
        "Keep bots from sending to private, link-local and loopback addresses in callers' offers. "
        "Set it only if all callers are on the internet: those on a LAN or this machine have no other "
        "address. Metadata services are always refused.",
        default=False,
    )

    @model_validator(mode="after")
    def _relays_let_callers_in(self) -> Self:
        has_relay = any(each.startswith("turn") for each in self.ice_servers)
        if has_relay != (self.turn_secret is not None):
            raise ValueError(
                "PODLINE_TURN_SECRET and a turn: or turns: server in PODLINE_ICE_SERVERS must be "
                "set together: callers' passwords are derived from the secret"
            )
        return self


class DailySettings(Group):
    """Rooms at Daily, and `podline room`."""

    api_key: SecretStr | None = variable(
        "DAILY_API_KEY", "Daily's API key: https://dashboard.daily.co/developers"
    )
    api_url: str | None = variable(
        "DAILY_API_URL",
        "Another address for Daily's API. The sandbox sets it, together with a key.",
        example="https://api.daily.co/v1",
    )


class LiveKitSettings(Group):
    """Rooms on a LiveKit server."""

    url: str | None = variable(
        "LIVEKIT_URL",
        "The server's address for the controller and bots.",
        example="wss://livekit.example.com",
    )
    public_url: str | None = variable(
        "LIVEKIT_PUBLIC_URL",
        "The server's address for callers, if it differs from LIVEKIT_URL.",
        example="wss://livekit.example.com",
    )
    api_key: str | None = variable("LIVEKIT_API_KEY", "The name of an API key of that server.")
    api_secret: SecretStr | None = variable("LIVEKIT_API_SECRET", "The secret of that key.")

    @model_validator(mode="after")
    def _urls_lead_to_servers(self) -> Self:
        urls = {"LIVEKIT_URL": self.url, "LIVEKIT_PUBLIC_URL": self.public_url}
        for name, url in urls.items():
            if url is not None and not is_server(url):
                raise ValueError(f"{name}: it looks like wss://livekit.example.com")
        return self
