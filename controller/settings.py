"""The controller's settings: read once in `__main__` and passed down."""

from __future__ import annotations

import ipaddress
import re
import sys
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    DirectoryPath,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from controller.core import default_agent

MAX_LABELS: Final = 200
MAX_LABEL_CHARACTERS: Final = 128
_LEAST_SECRET_CHARACTERS: Final = 16
_ICE_URL: Final = re.compile(r"(stun:[\w.-]+(:\d+)?|turns?:[\w.-]+(:\d+)?(\?transport=(udp|tcp))?)")
"""RFC 7064 and 7065, which have no credentials, as far as aiortc reads them: no stuns, no IPv6 address."""

BOTS_PORT: Final = 7861
"""In a cluster: the Service in deploy/base leads to it."""
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")


_STORE_SECRET_BYTES: Final = 32
"""As long as what HS256 makes of it: RFC 7518, section 3.2."""
_LONGEST_TOKEN_SECONDS: Final = 71_400
"""A little under Google's 20 hours, for clocks that differ."""


def _origin(text: str) -> str:
    """Each is told exactly: no `*`, for whoever listed everybody could as well have no keys."""
    parts = urlsplit(text)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or text != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("an origin is like https://shop.example.com, with nothing behind it")
    return text.lower()


def _network(text: str) -> str:
    network = ipaddress.ip_network(text)
    if network.prefixlen == 0:
        raise ValueError("everybody could say who they are; name the addresses of the proxies alone")
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is not None and network.prefixlen > 96:
        network = ipaddress.ip_network((mapped, network.prefixlen - 96))
    return str(network)


def _ice_url(text: str) -> str:
    if not _ICE_URL.fullmatch(text):
        raise ValueError(
            "a server is like stun:stun.example.com:3478 or turns:turn.example.com?transport=tcp"
        )
    return text


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < _LEAST_SECRET_CHARACTERS:
        raise ValueError(
            f"at least {_LEAST_SECRET_CHARACTERS} characters are needed; `openssl rand -hex 32` prints some"
        )
    return secret


def normal_host(name: str) -> str | None:
    """A host's name or IPv4 address as it is looked up, in ASCII and lower case; None where it is none."""
    try:
        host = name.removesuffix(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    return host if _HOST.fullmatch(host) else None


def _room_host(text: str) -> str:
    name, colon, port = text.removeprefix("*.").partition(":")
    host = normal_host(name)
    is_wildcard = text.startswith("*.")
    if (
        host is None
        or (colon and not (port.isdecimal() and port.isascii()))
        or (is_wildcard and "." not in host)
    ):
        raise ValueError("a host is like rooms.example.com, rooms.example.com:8443 or *.example.com")
    return f"{'*.' if is_wildcard else ''}{host}{colon}{port}"


def _label(text: str) -> str:
    if not text.isprintable() or len(text) > MAX_LABEL_CHARACTERS:
        raise ValueError(f"a name is at most {MAX_LABEL_CHARACTERS} printable characters")
    return text


IceUrl = Annotated[str, AfterValidator(_ice_url)]
Origin = Annotated[str, AfterValidator(_origin)]
RoomHost = Annotated[str, AfterValidator(_room_host)]
Label = Annotated[str, AfterValidator(_label)]
IpNetwork = Annotated[str, AfterValidator(_network)]
Secret = Annotated[SecretStr, AfterValidator(_long_enough)]


BudgetCost = Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]


class Settings(BaseSettings):
    """Variables of the controller, with the prefix PODLINE_ but for providers'. Durations are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="PODLINE_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",  # the bots' variables live in the same file
        frozen=True,
        hide_input_in_errors=True,
    )

    runtime: Literal["local", "kubernetes"] = Field(
        default="local", description="Where bots run: processes on this machine, or Jobs in a cluster."
    )
    namespace: str | None = Field(
        default=None, description="Where Jobs are made; the kubeconfig's or the pod's own when not set."
    )
    job_template: Path | None = Field(default=None, description="The operator's Job, as YAML.")

    rooms: Literal["webrtc", "livekit", "daily"] = Field(
        default="webrtc",
        description="Where callers and bots meet: by themselves, or in a provider's room.",
    )
    daily_api_key: SecretStr | None = Field(
        default=None, validation_alias="DAILY_API_KEY", description="Daily's key."
    )
    daily_api_url: str | None = Field(
        default=None, validation_alias="DAILY_API_URL", description="Daily's API, when it is not Daily's own."
    )
    livekit_url: str | None = Field(
        default=None,
        validation_alias="LIVEKIT_URL",
        description="Where controller and bots reach LiveKit's server.",
    )
    livekit_public_url: str | None = Field(
        default=None,
        validation_alias="LIVEKIT_PUBLIC_URL",
        description="Where callers reach it, when that is another address.",
    )
    livekit_api_key: str | None = Field(
        default=None, validation_alias="LIVEKIT_API_KEY", description="The key's name."
    )
    livekit_api_secret: SecretStr | None = Field(
        default=None, validation_alias="LIVEKIT_API_SECRET", description="Its secret."
    )
    room_hosts: Annotated[tuple[RoomHost, ...], NoDecode] = Field(
        default=(),
        description=(
            "Hosts on which requests may bring rooms, with commas; the provider's own when not set."
        ),
    )

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; others than loopback need keys."
    )
    port: int = Field(default=7860, ge=1, le=65535)
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="A port of its own for /metrics, on the same address."
    )
    bots_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="The port for bots and probes: by default any free one of loopback, in a cluster 7861.",
    )
    max_connections: PositiveInt = Field(
        default=1024, description="Connections to the public port; fewer where few files may be open."
    )
    connections_per_address: PositiveInt = Field(
        default=64, description="Those of one client address that have shown no valid key."
    )
    public_url: str | None = Field(default=None, description="Where callers reach the controller.")
    controller_url: str | None = Field(default=None, description="Where bots reach the controller.")

    keys_file: Path | None = Field(default=None, description="JSON list of {name, sha256, scopes}.")
    secret: Secret | None = Field(
        default=None, description="Signs tokens; random for each process when not set."
    )
    previous_secrets: Annotated[tuple[Secret, ...], NoDecode] = Field(
        default=(), description="Former values of PODLINE_SECRET whose tokens still count, with commas."
    )
    identity_keys_file: Path | None = Field(
        default=None, description="JWK Set: keys that verify the JWTs by which a web app names its users."
    )
    identity_issuer: str | None = Field(default=None, description="Their `iss`.")
    identity_audience: str | None = Field(default=None, description="Their `aud`.")
    public_start: bool = Field(default=False, description="Open /, /start and the offer to everybody.")
    public_starts_per_minute: PositiveInt = Field(default=10, description="For one client address.")
    public_key_starts_per_minute: PositiveInt = Field(
        default=60, description="For one key of scope public_start."
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        default=(), description="Other sites whose pages may read our answers, with commas."
    )
    trusted_proxies: Annotated[tuple[IpNetwork, ...], NoDecode] = Field(
        default=(),
        description="Proxies whose X-Forwarded-For is believed: addresses or networks, with commas.",
    )

    personas: DirectoryPath | None = Field(
        default=None, description="Directory whose files are the personas to choose from."
    )
    ice_servers: Annotated[tuple[IceUrl, ...], NoDecode] = Field(
        default=(), description="STUN or TURN URLs, with commas."
    )
    turn_secret: SecretStr | None = Field(
        default=None, description="What the TURN servers share with us: coturn's static-auth-secret."
    )
    refuse_private_candidates: bool = Field(
        default=False,
        description="Let bots send nothing to private addresses that callers name as theirs (WebRTC).",
    )

    store_secret: SecretStr | None = Field(
        default=None,
        description="What the product store shares with us: signs each bot's CONVEX_TOKEN.",
    )
    gemini_ephemeral_tokens: bool = Field(
        default=False, description="Give each bot a token of Gemini's for its own call, and not the key."
    )
    google_api_key: SecretStr | None = Field(
        default=None,
        validation_alias="GOOGLE_API_KEY",
        description="Key for the Gemini API, with which tokens are asked for.",
    )
    google_gemini_base_url: str | None = Field(
        default=None,
        validation_alias="GOOGLE_GEMINI_BASE_URL",
        description="Another server that speaks Gemini's protocol.",
    )

    capacity: PositiveInt = Field(default=20, description="Sessions at one time.")
    sessions_per_user: PositiveInt = Field(default=2, description="Sessions of one user at one time.")
    anonymous_sessions_per_address: PositiveInt = Field(
        default=4, description="Sessions at one time that callers without a name have from one address."
    )
    start_timeout_seconds: PositiveFloat = Field(
        default=120, description="From the launch until the bot has joined."
    )
    max_duration_seconds: PositiveInt = Field(
        default=1800, le=86_400, description="The longest session, and the default."
    )
    grace_seconds: PositiveFloat = Field(
        default=30, le=3600, description="From the request to leave until the bot is killed."
    )
    silence_seconds: PositiveFloat = Field(
        default=20, description="Without a word from a bot until it is given up."
    )
    bot_memory_megabytes: PositiveInt | None = Field(
        default=None, description="The most memory for data that a bot may have, in MiB; Linux only."
    )
    keep_ended_seconds: PositiveFloat = Field(default=3600, description="How long an ended session is kept.")

    budget_tokens: PositiveInt | None = Field(
        default=None, le=2**53, description="Tokens that a session may use which asks for no other budget."
    )
    budget_cost: BudgetCost | None = Field(
        default=None, description="The same in the price file's currency; needs PODLINE_PRICES_FILE."
    )
    max_budget_tokens: PositiveInt | None = Field(
        default=None, le=2**53, description="The largest budget of tokens that a request may ask for."
    )
    max_budget_cost: BudgetCost | None = Field(
        default=None, description="The largest budget of money; needs PODLINE_PRICES_FILE."
    )
    prices_file: Path | None = Field(default=None, description="TOML: what the tokens of each model cost.")
    tools: Annotated[tuple[Label, ...], NoDecode] = Field(
        default=default_agent.TOOLS,
        max_length=MAX_LABELS,
        description="Tools with series of their own in /metrics, with commas; all others are `other`.",
    )
    models: Annotated[tuple[Label, ...], NoDecode] = Field(
        default=default_agent.MODELS,
        max_length=MAX_LABELS,
        description="Models likewise, with commas, beside those of the price file.",
    )

    @field_validator(
        "ice_servers",
        "cors_origins",
        "trusted_proxies",
        "previous_secrets",
        "room_hosts",
        "tools",
        "models",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _only_loopback_without_keys(self) -> Settings:
        if self.keys_file is None and not is_loopback(self.host):
            raise ValueError(
                f"PODLINE_HOST={self.host} is open to others: set PODLINE_KEYS_FILE, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _only_this_machine_without_keys(self) -> Settings:
        """Behind a proxy every request comes from this machine, and would pass for its owner's."""
        host = urlsplit(self.url_for_callers).hostname or ""
        if self.keys_file is None and (not is_loopback(host) or self.trusted_proxies):
            raise ValueError(
                "PODLINE_PUBLIC_URL and PODLINE_TRUSTED_PROXIES serve others: set PODLINE_KEYS_FILE "
                "(a file with [] leaves nothing but the public start open)"
            )
        return self

    @model_validator(mode="after")
    def _only_relays_that_let_callers_in(self) -> Settings:
        if self.ice_servers and self.rooms != "webrtc":
            raise ValueError(
                "PODLINE_ICE_SERVERS is for PODLINE_ROOMS=webrtc: LiveKit and Daily name their own"
            )
        has_relay = any(each.startswith("turn") for each in self.ice_servers)
        if has_relay != (self.turn_secret is not None):
            raise ValueError(
                "PODLINE_TURN_SECRET and a turn: or turns: server in PODLINE_ICE_SERVERS need each other: "
                "callers are let in by passwords made from it"
            )
        return self

    @model_validator(mode="after")
    def _only_whole_rings(self) -> Settings:
        if self.previous_secrets and self.secret is None:
            raise ValueError("PODLINE_PREVIOUS_SECRETS only verify: set PODLINE_SECRET, which signs")
        named = (self.identity_issuer, self.identity_audience)
        if (self.identity_keys_file is None and any(named)) or (self.identity_keys_file and not all(named)):
            raise ValueError(
                "PODLINE_IDENTITY_KEYS_FILE, PODLINE_IDENTITY_ISSUER and PODLINE_IDENTITY_AUDIENCE "
                "need each other"
            )
        return self

    @model_validator(mode="after")
    def _only_ports_that_differ(self) -> Settings:
        if self.bots_port_wanted in (self.port, self.metrics_port) and self.bots_port_wanted is not None:
            raise ValueError(
                "PODLINE_BOTS_PORT: bots need a port of their own, other than those of callers and metrics"
            )
        if self.runtime == "local" and self.controller_url is not None and self.bots_port is None:
            raise ValueError(
                "PODLINE_CONTROLLER_URL needs PODLINE_BOTS_PORT: it must lead to the port for bots"
            )
        if self.metrics_port == self.port:
            raise ValueError("PODLINE_METRICS_PORT: leave it out to have /metrics on PODLINE_PORT as well")
        return self

    @model_validator(mode="after")
    def _only_limits_that_are_kept(self) -> Settings:
        if self.bot_memory_megabytes is not None and sys.platform != "linux":
            raise ValueError("PODLINE_BOT_MEMORY_MEGABYTES: only Linux keeps such a limit; leave it out here")
        return self

    @model_validator(mode="after")
    def _only_budgets_that_can_be_kept(self) -> Settings:
        costs = {"PODLINE_BUDGET_COST": self.budget_cost, "PODLINE_MAX_BUDGET_COST": self.max_budget_cost}
        for name, cost in costs.items():
            if cost is not None and self.prices_file is None:
                raise ValueError(f"{name} needs PODLINE_PRICES_FILE: without prices nothing has a cost")
        budgets = {
            "TOKENS": (self.budget_tokens, self.max_budget_tokens),
            "COST": (self.budget_cost, self.max_budget_cost),
        }
        for unit, (default, maximum) in budgets.items():
            if default is not None and maximum is not None and default > maximum:
                raise ValueError(
                    f"PODLINE_BUDGET_{unit} is above PODLINE_MAX_BUDGET_{unit}: lower it or raise the maximum"
                )
        return self

    @model_validator(mode="after")
    def _only_jobs_that_can_work(self) -> Settings:
        if self.runtime != "kubernetes":
            return self
        needed = {
            "PODLINE_JOB_TEMPLATE": (self.job_template, "the Job to launch, like deploy/base/bot-job.yaml"),
            "PODLINE_CONTROLLER_URL": (self.controller_url, "where pods reach this controller"),
            "PODLINE_SECRET": (self.secret, "bots outlive the controller, and so must their tokens"),
        }
        for name, (value, why) in needed.items():
            if value is None:
                raise ValueError(f"PODLINE_RUNTIME=kubernetes needs {name}: {why}")
        if self.bot_memory_megabytes is not None:
            raise ValueError(
                "PODLINE_BOT_MEMORY_MEGABYTES is for processes on this machine; "
                "set the memory limit in the Job template"
            )
        return self

    @model_validator(mode="after")
    def _only_rooms_that_can_be_made(self) -> Settings:
        needed: dict[str, dict[str, tuple[object, str]]] = {
            "daily": {
                "DAILY_API_KEY": (self.daily_api_key, "a key from https://dashboard.daily.co/developers"),
            },
            "livekit": {
                "LIVEKIT_URL": (self.livekit_url, "where it is, such as wss://livekit.example.com"),
                "LIVEKIT_API_KEY": (self.livekit_api_key, "a key of that server"),
                "LIVEKIT_API_SECRET": (self.livekit_api_secret, "the secret of that key"),
            },
        }
        for name, (value, what) in needed.get(self.rooms, {}).items():
            if not value:
                raise ValueError(f"PODLINE_ROOMS={self.rooms} needs {name}: {what}")
        return self

    @model_validator(mode="after")
    def _only_servers_that_can_be_reached(self) -> Settings:
        urls = {"LIVEKIT_URL": self.livekit_url, "LIVEKIT_PUBLIC_URL": self.livekit_public_url}
        for name, url in urls.items():
            if url is not None and not _is_server(url):
                raise ValueError(f"{name}: it is like wss://livekit.example.com")
        return self

    @model_validator(mode="after")
    def _only_secrets_that_cannot_be_guessed(self) -> Settings:
        secret = self.store_secret.get_secret_value() if self.store_secret else None
        if secret is not None and len(secret.encode()) < _STORE_SECRET_BYTES:
            raise ValueError(
                f"PODLINE_STORE_SECRET: use {_STORE_SECRET_BYTES} bytes or more, as of openssl rand -hex 32"
            )
        return self

    @model_validator(mode="after")
    def _only_tokens_that_can_be_had(self) -> Settings:
        if not self.gemini_ephemeral_tokens:
            return self
        if self.google_api_key is None:
            raise ValueError(
                "PODLINE_GEMINI_EPHEMERAL_TOKENS=true needs GOOGLE_API_KEY: with it tokens are asked for"
            )
        if self.google_gemini_base_url is not None and not _is_private(self.google_gemini_base_url):
            raise ValueError(
                "GOOGLE_GEMINI_BASE_URL: with PODLINE_GEMINI_EPHEMERAL_TOKENS=true the key is sent there; "
                "use an https address, or an http one of this machine"
            )
        longest = self.start_timeout_seconds + self.max_duration_seconds + self.grace_seconds
        if longest > _LONGEST_TOKEN_SECONDS:
            raise ValueError(
                "PODLINE_GEMINI_EPHEMERAL_TOKENS=true: Google's tokens last less than 20 hours; "
                "set PODLINE_MAX_DURATION_SECONDS to 68400 or less"
            )
        return self

    @property
    def url_for_callers(self) -> str:
        return self.public_url or self._own_url(self.port)

    @property
    def url_for_bots(self) -> str:
        return self.controller_url or self._own_url(self.bots_port or self.port)

    @property
    def bots_port_wanted(self) -> int | None:
        """None where any will do: only processes of this machine come to it."""
        return BOTS_PORT if self.bots_port is None and self.runtime == "kubernetes" else self.bots_port

    def _own_url(self, port: int) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _is_private(url: str) -> bool:
    """Whether nobody on the way reads what is sent there."""
    if not _is_server(url):
        return False
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _is_server(url: str) -> bool:
    """Whether a path can be added to this, and nothing secret stands in it."""
    try:
        parts = urlsplit(url)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    bare = url.isprintable() and " " not in url and not (parts.query or parts.fragment or parts.username)
    return bare and is_port and parts.scheme in ("ws", "wss", "http", "https") and bool(parts.hostname)


def is_loopback(host: str) -> bool:
    """Whether a name or an address can only mean this machine."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
